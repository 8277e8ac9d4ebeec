"""A llama.cpp server in a process of its own, which ends with the process that started it.

    python -I server.py

One line of JSON comes in on standard input: `model` (a path), `context` (tokens), `threads`,
`key` (the bearer token it wants) and `parent` (a process id). One goes out once it answers:
`url` and `trained` (the tokens of the window the model was made for). The end of the input is
the end of the server. Nothing but the standard library and xllamacpp; what goes wrong is on
standard error, in llama.cpp's words.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
import threading
import urllib.request
from typing import IO, Any

_PR_SET_PDEATHSIG = 1
_ERRORS_ONLY = 1


def main() -> None:
    told = _own_line_out()
    wishes = json.loads(sys.stdin.readline())
    _end_with(wishes["parent"])
    threading.Thread(target=_end_with_the_input, daemon=True).start()

    xllamacpp = importlib.import_module("xllamacpp")
    server = xllamacpp.Server(_parameters(xllamacpp.CommonParams(), wishes))
    url = server.listening_address
    told.write(json.dumps({"url": url, "trained": _trained(url, wishes["key"])}) + "\n")
    told.close()
    # Ended from outside only: taking the server down in good order can take for ever.
    threading.Event().wait()


def _own_line_out() -> IO[str]:
    """Standard output, and whatever else the process prints goes to standard error."""
    line = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return line


def _end_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.name == "posix" and os.getppid() != parent:
        os._exit(1)


def _end_with_the_input() -> None:
    while sys.stdin.readline():
        pass
    os._exit(0)


def _parameters(params: Any, wishes: dict[str, Any]) -> Any:
    params.model.path = wishes["model"]
    params.n_ctx = wishes["context"]
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = wishes["threads"]
    # Weights stay as they are in the file: a third less memory, and prompts read faster.
    params.no_extra_bufts = True
    # By itself it keeps up to 8 GiB of what it has read.
    params.cache_ram_mib = 0
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [wishes["key"]]
    params.ui = False
    params.offline = True
    params.verbosity = _ERRORS_ONLY
    return params


def _trained(url: str, key: str) -> int:
    request = urllib.request.Request(  # noqa: S310
        f"{url}/v1/models", headers={"Authorization": f"Bearer {key}"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as answer:
        models = json.load(answer)["data"]
    return int(models[0].get("meta", {}).get("n_ctx_train") or 0)


if __name__ == "__main__":
    main()

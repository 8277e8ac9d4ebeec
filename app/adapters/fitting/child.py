"""The process that fits one model; run as a script by `ChildWorkshop`.

Its only argument is JSON: the import path, the recommender, the version, and where the model
goes. The library comes on its standard input; what it says of the model, as JSON, is its
standard output. It ends when its input does: whoever wanted the model is gone then.
"""

import json
import os
import sys
import threading
import traceback
from pathlib import Path

_FAILED, _ABANDONED = 1, 3


def main(order: str) -> None:
    given = json.loads(order)
    sys.path[:] = given["path"]
    _step_back()
    from app.adapters.fitting import making

    source = sys.stdin.buffer
    try:
        snapshot = making.received(source, given["version"])
    except EOFError:
        os._exit(_ABANDONED)
    threading.Thread(target=_watch, daemon=True).start()
    try:
        said = making.made(given["recommender"], snapshot, Path(given["target"]))
        sys.stdout.write(json.dumps(said))
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
        os._exit(_FAILED)
    # Nothing here is worth tidying, and the watch still holds the input.
    os._exit(0)


def _watch() -> None:
    sys.stdin.buffer.read(1)
    os._exit(_ABANDONED)


def _step_back() -> None:
    """Requests come first, for the processor and when memory runs out."""
    if os.name == "posix":
        os.nice(10)
    score = Path("/proc/self/oom_score_adj")
    try:
        score.write_text("500", "ascii")
    except OSError:
        return


if __name__ == "__main__":
    main(sys.argv[1])

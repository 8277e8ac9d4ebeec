"""A child of LlamaCppLLM without a model: a file that begins with GGUF names, behind that, the
address of a server to speak to, or what to die of.

It keeps the promises of `app/adapters/llm/llamacpp/server.py`: a line in, a line out, and the
end with its input. `GGUF{"url": …}` is announced, `GGUF{"error": …}` goes to standard
error, and `GGUF{}` is never done loading.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    wishes = json.loads(sys.stdin.readline())
    told = json.loads(Path(wishes["model"]).read_bytes().removeprefix(b"GGUF"))
    if "error" in told:
        sys.exit(told["error"])
    if "url" in told:
        print(json.dumps({"url": told["url"], "trained": told.get("trained", 0)}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

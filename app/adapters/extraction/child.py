"""The process that reads one stranger's file; run as a script by `SandboxedExtractor`.

Its only argument is JSON: the import path, the media type, the limits, the parent's id. The
file is its standard input, the answer its standard output.
"""

import json
import os
import sys


def main(order: str) -> None:
    given = json.loads(order)
    sys.path[:] = given["path"]
    from app.adapters.extraction.confinement import confine
    from app.adapters.extraction.limits import Limits

    limits = Limits(**given["limits"])
    confine(limits, parent=given["parent"])

    # Only now: a parser is imported by what is already confined.
    from app.adapters.extraction import formats, wire
    from app.ports.text import UnreadableDocument

    sys.stdout.buffer.write(wire.ALIVE)
    sys.stdout.buffer.flush()
    try:
        document = formats.read_document(sys.stdin.buffer, given["media_type"], limits)
        answer = wire.encode_document(document)
    except UnreadableDocument as failure:
        answer = wire.encode_failure(failure)
    except MemoryError:
        answer = wire.encode_failure(wire.died())
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
    # Whatever the file has left behind in this interpreter is not worth tidying.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])

"""A stand-in for the program of the local embedding model: vectors of words by their hashes,
and the misfortunes a text asks for. It runs without the library: `python -I`."""

import json
import os
import re
import sys
import time
import zlib

DIMENSIONS = 384


def main() -> None:
    for line in sys.stdin:
        text = json.loads(line)["text"]
        if "DIE" in text:
            os._exit(3)
        if "HANG" in text:
            time.sleep(3600)
        if "SETTINGS" in text:
            text = " ".join(os.environ)
        print(json.dumps(_vector(text)), flush=True)


def _vector(text: str) -> list[float]:
    sums = [0.0] * DIMENSIONS
    for word in re.findall(r"\w+", text.lower()) or ["nothing"]:
        sums[zlib.crc32(word.encode()) % DIMENSIONS] += 2.0
    return sums


if __name__ == "__main__":
    main()

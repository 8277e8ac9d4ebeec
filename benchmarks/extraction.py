"""How much the sandbox costs: words per second through a child process, and the same files
through the bare parser in this process, in the same run."""

import argparse
import asyncio
import io
import shlex
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.adapters.extraction.formats import read_document
from app.adapters.extraction.limits import Limits
from app.adapters.extraction.recognition import recognise
from app.adapters.extraction.sandbox import SandboxedExtractor
from app.shared.calling import as_called

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
RESULTS = Path(__file__).with_name("RESULTS.md")
FILES = {
    "txt": "texts/*.txt",
    "epub": "epub/books/*.epub",
    "pdf": "pdf/whole_books/*.pdf",
}


@dataclass(frozen=True, slots=True)
class Row:
    """Seconds are the sum over the files, one after the other."""

    kind: str
    files: int
    words: int
    sandboxed: float
    bare: float

    def line(self) -> str:
        return (
            f"| {self.kind} | {self.files} | {self.words:,} | {self.words / self.sandboxed:,.0f} "
            f"| {self.words / self.bare:,.0f} | {self.sandboxed / self.bare:.2f} "
            f"| {(self.sandboxed - self.bare) / self.files * 1000:.0f} |"
        )


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    rows = [
        asyncio.run(_measure(kind, paths))
        for kind, pattern in FILES.items()
        if (paths := sorted(options.data.glob(pattern)))
    ]
    if not rows:
        print(f"There are no books under {options.data}.")
        return 1
    table = _table(rows)
    print(table)
    if options.record:
        _record(table, argv)
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench extraction", description=__doc__)
    parser.add_argument("--data", type=as_called, default=DATA, help="the folder of real books")
    parser.add_argument("--record", action="store_true", help="append the table to RESULTS.md")
    return parser.parse_args(argv)


async def _measure(kind: str, paths: Sequence[Path]) -> Row:
    extractor = SandboxedExtractor()
    # The language model is loaded once per process.
    await extractor.extract(_streamed(b"Once upon a time there was a lamp. " * 9), "text/plain")
    words, sandboxed, bare = 0, 0.0, 0.0
    for name, data in _contents(paths):
        started = time.perf_counter()
        words += await _sandboxed(extractor, name, data)
        between = time.perf_counter()
        _bare(name, data)
        sandboxed += between - started
        bare += time.perf_counter() - between
    return Row(kind, len(paths), words, sandboxed, bare)


def _contents(paths: Sequence[Path]) -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in paths]


async def _sandboxed(extractor: SandboxedExtractor, name: str, data: bytes) -> int:
    media_type = extractor.recognise(data[: 2**16], name)
    return (await extractor.extract(_streamed(data), media_type)).words


async def _streamed(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 2**20):
        yield data[start : start + 2**20]


def _bare(name: str, data: bytes) -> None:
    media_type = recognise(data[: 2**16], name)
    read_document(io.BytesIO(data), media_type, Limits())


def _table(rows: Sequence[Row]) -> str:
    head = (
        "| kind | files | words | words/s sandboxed | words/s bare | time ratio "
        "| ms per file for the sandbox |\n|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *(row.line() for row in rows)])


def _record(table: str, argv: Sequence[str] | None) -> None:
    command = shlex.join(["bench", "extraction", *(sys.argv[1:] if argv is None else argv)])
    today = datetime.now(UTC).date().isoformat()
    with RESULTS.open("a", encoding="utf-8") as results:
        results.write(f"\n## Extraction, {today}\n\n`{command}`\n\n{table}\n")


if __name__ == "__main__":
    raise SystemExit(main())

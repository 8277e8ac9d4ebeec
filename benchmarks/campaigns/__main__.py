"""The command: run campaigns, say what became of them, keep a line of each."""

import argparse
import ast
import asyncio
import importlib
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.campaigns._campaign import SHOWN, Plan, Tally

FOLDER = Path(__file__).parent
RECORD = FOLDER.parent / "CAMPAIGNS.md"
_HEAD = """# Campaigns

Each line is a run of `python3 run.py campaign NAME --scale S --seed N`, the failed ones too; at
scale 1 a campaign is as long as it was planned. The same seed does the same again.

| day | campaign | scale | what | planned | done | failures | seed | took | figures |
|---|---|---|---|---|---|---|---|---|---|
"""


def main(argv: Sequence[str] | None = None) -> int:
    known = campaigns()
    options = _parser(known).parse_args(argv)
    names = list(known) if options.name == "all" else [options.name] if options.name else []
    if not names:
        print("Campaigns: python3 run.py campaign NAME [--scale S] [--seed N]")
        for name, purpose in known.items():
            print(f"  {name:20}{purpose}")
        return 0
    failed = [name for name in names if not _run(name, options)]
    for name in known:
        if name not in names:
            print(f"{name}: not run")
    return 1 if failed else 0


def campaigns() -> dict[str, str]:
    """Name and purpose of each."""
    files = sorted(FOLDER.glob("[a-z]*.py"))
    documents = {file.stem: ast.get_docstring(ast.parse(file.read_text("utf-8"))) for file in files}
    return {name: (text or "").partition("\n")[0] for name, text in documents.items()}


def _parser(known: dict[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py campaign", description=__doc__)
    parser.add_argument("name", nargs="?", choices=[*known, "all"])
    parser.add_argument("--scale", type=_share, default=1.0, help="share of the full length")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so many")
    parser.add_argument("--no-record", action="store_true", help="keep no line of it")
    return parser


def _share(word: str) -> float:
    if not 0 < (share := float(word)) <= 1:
        raise argparse.ArgumentTypeError("a share above 0, at most 1")
    return share


def _run(name: str, options: argparse.Namespace) -> bool:
    module = importlib.import_module(f"benchmarks.campaigns.{name}")
    plan = Plan(options.seed, options.scale, time.monotonic() + options.minutes * 60)
    began = time.monotonic()
    tallies: Sequence[Tally] = asyncio.run(module.run(plan))
    took = time.monotonic() - began
    for tally in tallies:
        print("\n".join(_told(name, tally, took)), flush=True)
    if not options.no_record:
        _keep(_line(name, plan, tally, took) for tally in tallies)
    return all(tally.has_passed for tally in tallies)


def _told(name: str, tally: Tally, took: float) -> Iterator[str]:
    verdict = "passed" if tally.has_passed else "FAILED" if tally.failures else "NOT FINISHED"
    counts = f"{tally.done:,} of {tally.planned:,}, {len(tally.failures)} failures, {took:.0f} s"
    yield f"{name}: {tally.what}: {verdict} ({counts}); passes when {tally.passes}"
    yield from (f"  {figure}: {value}" for figure, value in tally.figures.items())
    yield from (f"  ! {failure}" for failure in tally.failures[:SHOWN])
    if len(tally.failures) > SHOWN:
        yield f"  ! and {len(tally.failures) - SHOWN} more"


def _line(name: str, plan: Plan, tally: Tally, took: float) -> str:
    figures = "; ".join(f"{figure} {value}" for figure, value in tally.figures.items())
    cells = [f"{datetime.now(UTC):%Y-%m-%d}", name, f"{plan.scale:g}", tally.what]
    cells += [f"{tally.planned:,}", f"{tally.done:,}", str(len(tally.failures)), str(plan.seed)]
    cells += [f"{took:.0f} s", figures or "–"]
    return f"| {' | '.join(cells)} |"


def _keep(lines: Iterator[str]) -> None:
    if not RECORD.exists():
        RECORD.write_text(_HEAD, "utf-8")
    with RECORD.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())

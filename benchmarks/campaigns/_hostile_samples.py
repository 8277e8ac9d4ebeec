"""The files of the campaign by number: `python3 -m benchmarks.campaigns._hostile_samples SEED N`
writes one to the standard output."""

import random
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.campaigns._bombs import BOMBS
from benchmarks.campaigns._hostile_seeds import Sample, sound_files
from benchmarks.campaigns._mutations import spliced, spoilings_of

# What may be said of a file that cannot be read.
REASONS = frozenset(["encrypted", "corrupt", "too_complex", "too_large", "no_text"])
_BOMBS_PER_THOUSAND = 25
_ROOT = Path(__file__).resolve().parents[2]
_DATA = _ROOT.parent / "shared" / "data"
_FOLDERS = ("hostile", "pdf", "epub")


def hostile_file(seed: int, number: int) -> Sample:
    """The file of this number; always the same for a seed."""
    dice = random.Random(f"{seed}:{number}")
    if dice.randrange(1_000) < _BOMBS_PER_THOUSAND:
        made, (filename, bomb) = dice.choice(list(BOMBS.items()))
        return Sample(f"{made} ({number})", filename, bomb(dice))
    sample, other = dice.sample(sound_files(), 2)
    if dice.random() < 0.1:
        spoiled = spliced(dice, sample.data, other.data)
        return Sample(f"{sample.made} and {other.made} ({number})", sample.filename, spoiled)
    data, done = sample.data, [sample.made]
    for spoil in dice.choices(spoilings_of(sample.filename), k=dice.choice((1, 1, 2, 3))):
        data = spoil(dice, data) or b"\0"
        done.append(spoil.__name__)
    return Sample(f"{' '.join(done)} ({number})", sample.filename, data)


def strangers() -> list[Path]:
    """The files of others beside the repository, where they are."""
    folders = [_DATA / name for name in _FOLDERS]
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


def loaded(paths: Iterator[Path]) -> Iterator[Sample]:
    for path in paths:
        yield Sample(str(path.relative_to(_DATA)), path.name, path.read_bytes())


if __name__ == "__main__":
    sys.stdout.buffer.write(hostile_file(*map(int, sys.argv[1:])).data)

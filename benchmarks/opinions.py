"""How well opinions are found without a model: `bench opinions --reviews FILE`.

FILE is a table with the columns `rating` (1 to 5) and `text`, such as the book reviews of
Blitzer, Dredze and Pereira (ACL 2007). Opinions should be negative in reviews of one and two
stars, positive in those of four and five; reviews may say both, so nothing reaches 100 %.
Every other review is for tuning (`--dev`) and is in no reported figure. Beside it: forty
sentences labelled by hand (`benchmarks/_opinions.py`).
"""

import argparse
import csv
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.adapters.llm.extractive.lexicon import ASPECTS
from app.adapters.llm.extractive.opinions import opinions_in
from app.shared.calling import as_called
from app.shared.sentences import sentences
from benchmarks._machine import ROOT, record
from benchmarks._opinions import SAMPLE

REVIEWS = ROOT.parent / "shared" / "data" / "reviews" / "blitzer_books_reviews.csv"
SIGNS = {"positive": "+", "negative": "-", "mixed": "~"}


@dataclass(frozen=True, slots=True)
class Rated:
    stars: int
    text: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of opinions that are for or against, how many go with the stars; `reviews` that have
    any opinion, in percent."""

    opinions: int
    agreeing: float
    mixed: int
    reviews: float


@dataclass(frozen=True, slots=True)
class Marks:
    """The hand-labelled opinions found: with the right aspect, with the right side too."""

    labelled: int
    found: int
    aspects: int
    sides: int


def read_reviews(path: Path) -> list[Rated]:
    """Each text once; three stars say neither."""
    csv.field_size_limit(10**7)
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row["text"][:200]: row for row in csv.DictReader(file) if row["text"].strip()}
    return [Rated(int(float(row["rating"])), row["text"]) for row in rows.values()]


def agreement(reviews: Iterable[Rated], *, with_stars: bool) -> Agreement:
    found = [(r.stars > 3, _polarities(r, r.stars if with_stars else None)) for r in reviews]
    decided = [(liked, p == "positive") for liked, said in found for p in said if p != "mixed"]
    return Agreement(
        opinions=len(decided),
        agreeing=_percent(sum(liked == praised for liked, praised in decided), len(decided)),
        mixed=sum(said.count("mixed") for _, said in found),
        reviews=_percent(sum(bool(said) for _, said in found), len(found)),
    )


def marks() -> Marks:
    """Each sentence as a review of its own."""
    wanted = [(n, label) for n, (_, labels) in enumerate(SAMPLE) for label in labels.split()]
    found = [
        (n, f"{opinion['aspect']}{SIGNS[opinion['polarity']]}")
        for n, (text, _) in enumerate(SAMPLE)
        for opinion in opinions_in(f"1: {text}", stars=None, aspects=tuple(ASPECTS))
    ]
    named = {(n, label[:-1]) for n, label in wanted}
    return Marks(
        labelled=len(wanted),
        found=len(found),
        aspects=sum((n, label[:-1]) in named for n, label in found),
        sides=sum(label in wanted for label in found),
    )


def _polarities(review: Rated, stars: int | None) -> list[str]:
    lines = (f"{n}: {' '.join(s.split())}" for n, s in enumerate(sentences(review.text), start=1))
    found = opinions_in("\n".join(lines), stars=stars, aspects=tuple(ASPECTS))
    return [opinion["polarity"] for opinion in found]


def _percent(part: int, whole: int) -> float:
    return 100 * part / max(1, whole)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="opinions", description=__doc__)
    parser.add_argument("--reviews", type=as_called, default=REVIEWS)
    parser.add_argument("--dev", action="store_true", help="the reviews for tuning instead")
    parser.add_argument("--record", action="store_true", help="append to RESULTS.md")
    arguments = parser.parse_args(argv)
    if not arguments.reviews.is_file():
        print(f"There are no reviews at {arguments.reviews}.\n\n{__doc__}")
        return 1
    reviews = read_reviews(arguments.reviews)
    report = _report(reviews[::2] if arguments.dev else reviews[1::2])
    print(report)
    if arguments.record and not arguments.dev:
        record("opinions", [a for a in argv or sys.argv[1:] if a != "--record"], report)
    return 0


def _report(reviews: Sequence[Rated]) -> str:
    sides: Sequence[tuple[str, Callable[[Rated], bool]]] = (
        ("1 and 2 stars", lambda review: review.stars < 3),
        ("4 and 5 stars", lambda review: review.stars > 3),
    )
    rows = [
        f"| {name}, {told} | {a.opinions} | {a.agreeing:.1f} % | {a.mixed} | {a.reviews:.0f} % |"
        for name, side in sides
        for told, with_stars in (("words alone", False), ("stars known", True))
        for a in [agreement(filter(side, reviews), with_stars=with_stars)]
    ]
    head = "| reviews | opinions | agree with the stars | mixed | reviews with any |"
    m = marks()
    by_hand = (
        f"By hand: of {m.labelled} labelled opinions {m.aspects} found with their aspect and "
        f"{m.sides} with their side too, among {m.found} found."
    )
    return "\n".join([head, "|---|---|---|---|---|", *rows, "", by_hand])


if __name__ == "__main__":
    raise SystemExit(main())

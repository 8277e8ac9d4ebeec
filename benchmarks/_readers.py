"""Real readers for measuring recommenders: what each is shown, and what is to be found.

`Ratings`: books.csv, book_genres.csv beside it, and ratings.csv as in goodbooks-10k. Strong
generalisation: a tenth of the readers is held out of the fit; of their liked books (4 or 5
stars, readers with at least 10) 80 % are shown, the rest are to be found. A fixed fifth of
the readers is for tuning and never held out for a reported figure.

`Loans`: one row a loan, and catalogue.csv beside it, as the university libraries of Nice
publish theirs. Only what came before a month is known; what the same readers borrowed for
the first time in the half year after is to be found.
"""

import csv
import random
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_OID, UUID, uuid5

from app.ports.recommender import Interaction, Item, Snapshot

FEWEST_LIKED = 10
LIKED = 4
_HALF_YEAR = 6
_LOAN = 0.5
# The first month after what is known: one for tuning, the others for reporting.
_TUNING_CUTS = (2016 * 12 + 6,)
_CUTS = (2017 * 12, 2017 * 12 + 6)

Stars = Mapping[int, Mapping[UUID, int]]


@dataclass(frozen=True, slots=True)
class Case:
    """A reader: the books shown to the model with what each says, and those to be found.
    Only books outside `closed` compete."""

    shown: Mapping[UUID, float]
    hidden: frozenset[UUID]
    closed: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Task:
    """What may be learnt, and whom to find books for."""

    snapshot: Snapshot
    cases: Sequence[Case]


def read_books(books: Path) -> list[Item]:
    """The items, with no popularity yet: that is for the fit's own readers to say."""
    with books.with_name("book_genres.csv").open(encoding="utf-8", newline="") as file:
        genres = {row["book_id"]: tuple(row["genres"].split(",")) for row in csv.DictReader(file)}
    with books.open(encoding="utf-8", newline="") as file:
        return [
            Item(
                id=UUID(int=int(row["book_id"])),
                title=row["title"],
                author=re.sub(r"\s+", " ", row["authors"]),
                genres=genres.get(row["book_id"], ()),
                language=row["language_code"] or None,
                year=_year(row["original_publication_year"]),
            )
            for row in csv.DictReader(file)
        ]


def read_stars(ratings: Path) -> Stars:
    """The stars each reader gave, of the readers who like enough books."""
    stars: dict[int, dict[UUID, int]] = {}
    with ratings.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            given = stars.setdefault(int(row["user_id"]), {})
            given[UUID(int=int(row["book_id"]))] = int(row["rating"])
    return {reader: given for reader, given in stars.items() if len(_liked(given)) >= FEWEST_LIKED}


def held_out(stars: Stars, *, seed: int, dev: bool) -> list[int]:
    """A tenth of the readers; with `dev` both tenths that are for tuning, whatever the seed."""
    readers = sorted(stars)
    random.Random(12345).shuffle(readers)
    tenth = max(len(readers) // 10, 1)
    if dev:
        return readers[: 2 * tenth]
    rest = readers[2 * tenth :]
    random.Random(seed).shuffle(rest)
    return rest[:tenth]


def strangers(items: Sequence[Item], stars: Stars, readers: Sequence[int], seed: int) -> Task:
    """Readers the model never saw, asked for a fifth of what they like."""
    cases = [_case(stars[reader], random.Random(f"{seed}/{reader}")) for reader in readers]
    return Task(_snapshot(items, stars, frozenset(readers)), cases)


def new_books(items: Sequence[Item], stars: Stars, readers: Sequence[int], seed: int) -> Task:
    """A tenth of the books as if nobody had had them; only they compete for the same readers."""
    new = frozenset(random.Random(seed).sample([item.id for item in items], len(items) // 10))
    old = frozenset(item.id for item in items) - new
    cases = [_new_case(_liked(stars[reader]), new, old) for reader in readers]
    snapshot = _snapshot(items, stars, frozenset(readers), new)
    return Task(snapshot, [case for case in cases if case.hidden and case.shown])


def read_loans(loans: Path, *, dev: bool) -> Iterator[Task]:
    """The months ahead, seen from one moment after the other."""
    with loans.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    items = _catalogued(loans.with_name("catalogue.csv"), rows)
    for cut in _TUNING_CUTS if dev else _CUTS:
        before = _borrowed(row for row in rows if _month(row) < cut)
        after = _borrowed(row for row in rows if cut <= _month(row) < cut + _HALF_YEAR)
        yield _months_ahead(items, before, after)


def _months_ahead(
    items: Sequence[Item],
    before: Mapping[str, Mapping[UUID, int]],
    after: Mapping[str, Mapping[UUID, int]],
) -> Task:
    cases = [
        Case(dict.fromkeys(had, _LOAN), frozenset(after[reader]) - had.keys(), frozenset(had))
        for reader, had in before.items()
        if reader in after
    ]
    interactions = [
        Interaction(uuid5(NAMESPACE_OID, reader), book, _LOAN, _at(month))
        for reader, books in before.items()
        for book, month in books.items()
    ]
    snapshot = Snapshot("bench", _popular(items, interactions), interactions)
    return Task(snapshot, [case for case in cases if case.hidden])


def _snapshot(
    items: Sequence[Item],
    stars: Stars,
    unseen_readers: Collection[int],
    unseen_books: Collection[UUID] = (),
) -> Snapshot:
    """Stars as the library weighs a rating: −1 for one, 0 for three, 1 for five."""
    interactions = [
        Interaction(UUID(int=reader), book, (given - 3) / 2, datetime(2020, 1, 1, tzinfo=UTC))
        for reader, books in stars.items()
        if reader not in unseen_readers
        for book, given in books.items()
        if book not in unseen_books
    ]
    return Snapshot("bench", _popular(items, interactions), interactions)


def _popular(items: Sequence[Item], interactions: Sequence[Interaction]) -> list[Item]:
    readers = Counter(each.item_id for each in interactions if each.weight > 0)
    return [replace(item, popularity=readers[item.id]) for item in items]


def _liked(given: Mapping[UUID, int]) -> list[UUID]:
    return [book for book, stars in given.items() if stars >= LIKED]


def _case(given: Mapping[UUID, int], random_: random.Random) -> Case:
    liked = _liked(given)
    shuffled = random_.sample(liked, len(liked))
    hidden = len(liked) // 5
    shown = dict.fromkeys(shuffled[hidden:], 1.0)
    return Case(shown, frozenset(shuffled[:hidden]), frozenset(shown))


def _new_case(liked: Sequence[UUID], new: frozenset[UUID], old: frozenset[UUID]) -> Case:
    shown = dict.fromkeys((book for book in liked if book not in new), 1.0)
    return Case(shown, new.intersection(liked), old)


def _catalogued(catalogue: Path, loans: Sequence[Mapping[str, str]]) -> list[Item]:
    """The books ever lent: titles and classes from the loans, authors from the catalogue."""
    with catalogue.open(encoding="utf-8", newline="") as file:
        authors = {row["Desc4"]: row["Auteur"] for row in csv.DictReader(file, delimiter=";")}
    return [
        Item(
            id=_book(row),
            title=row["titre"].replace("^", " "),
            author=re.sub(r"\(.*?\)", "", authors.get(row["ppn"]) or "").strip(),
            genres=(row["indice"],) if row["indice"] else (),
            year=_year(row["date_pub"]),
        )
        for row in {row["ppn"]: row for row in loans}.values()
    ]


def _borrowed(loans: Iterator[Mapping[str, str]]) -> dict[str, dict[UUID, int]]:
    """Of each reader the books, with the month of the last loan."""
    borrowed: dict[str, dict[UUID, int]] = {}
    for row in sorted(loans, key=_month):
        borrowed.setdefault(row["id_lecteur"], {})[_book(row)] = _month(row)
    return borrowed


def _book(row: Mapping[str, str]) -> UUID:
    return uuid5(NAMESPACE_OID, row["ppn"])


def _month(row: Mapping[str, str]) -> int:
    return int(row["annee_pret"]) * 12 + int(row["mois_pret"]) - 1


def _at(month: int) -> datetime:
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)


def _year(written: str) -> int | None:
    return int(float(written)) if re.fullmatch(r"-?\d+(\.0)?", written) else None

"""What a profile says for and against every book, and which part of it says so."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.adapters.recommender.fields import Field, author_names, language_key, name_key
from app.adapters.recommender.graph import Graph, Rows, Vector
from app.adapters.recommender.shelf import Shelf
from app.ports.recommender import Profile, Reason, ReasonKind

POWER = 3
# A long history outweighs a stated taste, but only so far.
HISTORY_COUNTS_AS = 5.0
OTHER_LANGUAGE = 0.5
# Of a longer history those with most to say (the latest, among equals) are heard.
LONGEST_HISTORY = 500

KINDS: Mapping[Field, ReasonKind] = {
    Field.AUTHOR: "you_like_author",
    Field.GENRE: "you_like_genre",
    Field.TAG: "you_like_genre",
}


@dataclass(frozen=True, slots=True)
class Taste:
    field: Field
    key: str
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """The part of a profile a shelf knows, in an order of its own: rows of the history with
    their weights, stated tastes, languages."""

    rows: Rows
    weights: Vector
    tastes: Sequence[Taste]
    languages: Mapping[str, float]

    @property
    def spread(self) -> float:
        """What the history is divided by, so that it counts as HISTORY_COUNTS_AS at most."""
        return max(HISTORY_COUNTS_AS, float(np.abs(self.weights).sum())) / HISTORY_COUNTS_AS


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """One reader before one shelf.

    Each book of the history speaks for a candidate with weight × similarity^POWER, never
    through a mean of the books; each taste with weight × (1 + centrality) / 2. A history
    counts as at most HISTORY_COUNTS_AS books, a taste as one that agrees in everything.
    """

    shelf: Shelf
    likeness: Graph
    reader: Reader

    def history(self) -> Vector:
        """What the books of the history say for (> 0) and against (< 0) each item."""
        voices = self.reader.weights / np.float32(self.reader.spread)
        return self.likeness.voices(self.reader.rows, voices, POWER)

    def stated(self) -> Vector:
        said = np.zeros(len(self.shelf.ids), dtype=np.float32)
        for taste in self.reader.tastes:
            rows, central = self.shelf.names[taste.field].of(taste.key)
            said[rows] += taste.weight * (1 + central) / 2
        return said

    def welcome(self) -> Vector:
        """0 for what the reader refuses outright, 1 for what nothing is held against."""
        welcome = self._language_welcome()
        for taste in self.reader.tastes:
            rows, _ = self.shelf.names[taste.field].of(taste.key)
            welcome[rows] *= remaining(taste.weight)
        for row, weight in zip(self.reader.rows, self.reader.weights, strict=True):
            welcome[row] *= remaining(float(weight))
        return welcome

    def borrowed(self, candidates: Rows) -> Vector:
        """What each book of the history says of each candidate, history × candidates."""
        agreement = self.likeness.between(self.reader.rows, candidates) ** POWER
        voices = self.reader.weights / np.float32(self.reader.spread)
        return np.asarray(voices[:, np.newaxis] * agreement)

    def liked(self, candidate: int) -> Iterator[tuple[float, Reason]]:
        """The stated tastes that speak for a candidate, and how strongly."""
        for taste in self.reader.tastes:
            names = self.shelf.names[taste.field]
            rows, central = names.of(taste.key)
            place = np.searchsorted(rows, candidate)
            if taste.weight > 0 and place < len(rows) and rows[place] == candidate:
                reason = Reason(KINDS[taste.field], value=names.spelling(candidate, taste.key))
                yield float(taste.weight * (1 + central[place]) / 2), reason

    def _language_welcome(self) -> Vector:
        languages = self.reader.languages
        wanted = any(weight > 0 for weight in languages.values())
        by_language = [
            OTHER_LANGUAGE if wanted and not languages.get(name) else remaining(languages.get(name))
            for name in self.shelf.languages
        ]
        # The last place, which −1 finds, is that of an unknown language.
        return np.array([*by_language, 1.0], dtype=np.float32)[self.shelf.language]


def reader_of(shelf: Shelf, profile: Profile) -> Reader:
    known = {item_id: w for item_id, w in profile.items.items() if item_id in shelf.row_of}
    loudest = sorted(known, key=lambda item_id: -abs(known[item_id]))[:LONGEST_HISTORY]
    rows = shelf.rows(loudest)
    weights = [known[shelf.ids[row]] for row in rows]
    return Reader(
        rows=rows,
        weights=np.array(weights, dtype=np.float32),
        tastes=_tastes(profile),
        languages={language_key(name): weight for name, weight in profile.languages.items()},
    )


def _tastes(profile: Profile) -> Sequence[Taste]:
    authors = [
        Taste(Field.AUTHOR, name_key(person), weight)
        for name, weight in profile.authors.items()
        for person in author_names(name)
    ]
    genres = [Taste(Field.GENRE, name_key(name), w) for name, w in profile.genres.items()]
    tags = [Taste(Field.TAG, name_key(name), w) for name, w in profile.tags.items()]
    return sorted((*authors, *genres, *tags), key=lambda taste: (taste.field, taste.key))


def remaining(weight: float | None) -> float:
    """What a dislike of this weight (−1..0) leaves of an item's evidence; likes leave it all."""
    left: float = (1 + min(max(weight or 0.0, -1.0), 0.0)) ** POWER
    return left

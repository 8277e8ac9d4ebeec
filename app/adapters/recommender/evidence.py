"""What a profile says for and against every book, and which part of it says so."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.adapters.recommender.fields import Field, author_names, language_key, name_key, spelling
from app.adapters.recommender.space import Matrix, Rows, Space, Vector
from app.ports.recommender import Item, Profile, Reason, ReasonKind

POWER = 3
# A long history outweighs a stated taste, but only so far.
HISTORY_COUNTS_AS = 5.0
OTHER_LANGUAGE = 0.5
# So many books of a history at a time, to bound the memory of one answer.
_BLOCK = 64

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


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Evidence:
    """One reader before one space.

    Each book of the history speaks for a candidate with weight × similarity^POWER, never
    through a mean of the books; each taste with weight × (1 + centrality) / 2. A history
    counts as at most HISTORY_COUNTS_AS books, a taste as one that agrees in everything.
    """

    space: Space
    rows: Rows
    weights: Vector
    tastes: Sequence[Taste]
    languages: Mapping[str, float]

    def totals(self) -> Vector:
        """What is said for (> 0) and against (< 0) each item; its welcome is not yet counted."""
        totals = np.zeros(len(self.space.items), dtype=np.float32)
        voices = self._voices()
        for start in range(0, len(self.rows), _BLOCK):
            part = slice(start, start + _BLOCK)
            totals += voices[part] @ self._agreement(part)
        for taste in self.tastes:
            totals += self._stated(taste)
        return totals

    def welcome(self) -> Vector:
        """0 for what the reader refuses outright, 1 for what nothing is held against."""
        welcome = self._language_welcome()
        for taste in self.tastes:
            rows, _ = self.space.holders(taste.field, taste.key)
            welcome[rows] *= _remaining(taste.weight)
        for row, weight in zip(self.rows, self.weights, strict=True):
            welcome[row] *= _remaining(float(weight))
        return welcome

    def reasons(self, candidates: Rows) -> Iterator[list[tuple[float, Reason]]]:
        """For each candidate, what speaks for it and how strongly, in no order."""
        agreement = self._agreement(slice(None), candidates).toarray()
        history = self._voices()[:, np.newaxis] * agreement
        stated = [self._stated(taste)[candidates] for taste in self.tastes]
        for place, candidate in enumerate(candidates):
            borrowed = self._borrowed(history[:, place])
            liked = self._liked([said[place] for said in stated], self.space.items[candidate])
            yield [*borrowed, *liked]

    def _agreement(self, part: slice, candidates: Rows | None = None) -> Matrix:
        """similarity^POWER of the history's books (rows) and the candidates (all unless told)."""
        rows, space = self.rows[part], self.space
        by_token = space.by_token if candidates is None else space.matrix[candidates].T
        agreement = (space.matrix[rows] @ by_token).power(POWER)
        owner = np.repeat(rows, np.diff(agreement.indptr))
        other = agreement.indices if candidates is None else candidates[agreement.indices]
        # That one has read a book is no reason to be told of it.
        agreement.data[owner == other] = 0
        return agreement

    def _voices(self) -> Vector:
        spread = max(HISTORY_COUNTS_AS, float(np.abs(self.weights).sum()))
        return self.weights * np.float32(HISTORY_COUNTS_AS / spread)

    def _stated(self, taste: Taste) -> Vector:
        said = np.zeros(len(self.space.items), dtype=np.float32)
        rows, centrality = self.space.holders(taste.field, taste.key)
        said[rows] = taste.weight * (1 + centrality) / 2
        return said

    def _borrowed(self, contributions: Vector) -> Iterator[tuple[float, Reason]]:
        for place in np.flatnonzero(contributions > 0):
            item = self.space.items[self.rows[place]]
            yield float(contributions[place]), Reason("because_you_borrowed", item_id=item.id)

    def _liked(self, said: Sequence[float], item: Item) -> Iterator[tuple[float, Reason]]:
        for taste, contribution in zip(self.tastes, said, strict=True):
            if contribution > 0:
                written = spelling(item, taste.field, taste.key)
                yield float(contribution), Reason(KINDS[taste.field], value=written)

    def _language_welcome(self) -> Vector:
        wanted = any(weight > 0 for weight in self.languages.values())
        welcome = np.ones(len(self.space.items), dtype=np.float32)
        for language, rows in self.space.languages.items():
            weight = self.languages.get(language, 0.0)
            welcome[rows] = OTHER_LANGUAGE if wanted and weight == 0 else _remaining(weight)
        return welcome


def evidence_of(space: Space, profile: Profile) -> Evidence:
    """The part of a profile this space knows, in an order of its own."""
    rows = space.rows(profile.items)
    weights = [profile.items[space.items[row].id] for row in rows]
    return Evidence(
        space=space,
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


def _remaining(weight: float) -> float:
    """What a dislike of this weight (−1..0) leaves of an item's evidence; likes leave it all."""
    left: float = (1 + min(max(weight, -1.0), 0.0)) ** POWER
    return left

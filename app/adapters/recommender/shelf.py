"""The items of a fitted model, as far as answers need them: compact, at 100,000 books too."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from app.adapters.recommender.archive import array_to_words, words_to_array
from app.adapters.recommender.fields import NAMES, Field, language_key, name_key
from app.adapters.recommender.graph import Matrix, Rows, Vector
from app.ports.recommender import Item

Arrays = Mapping[str, NDArray[Any]]
_NOBODY: tuple[Rows, Vector] = (np.zeros(0, np.intp), np.zeros(0, np.float32))


@dataclass(frozen=True, eq=False)
class Names:
    """Who has which name of one field. `holders` is items × names (by column), its entries
    how central a name is to an item: rows have length 1. `spelt` numbers, in step with the
    entries, the way the item writes the name."""

    keys: Sequence[str]
    holders: Matrix
    spelt: NDArray[np.int32]
    spellings: Sequence[str]

    @cached_property
    def column(self) -> Mapping[str, int]:
        return {key: column for column, key in enumerate(self.keys)}

    @cached_property
    def by_item(self) -> Matrix:
        return sparse.csr_array(self.holders)

    def of(self, key: str) -> tuple[Rows, Vector]:
        """The items with this name, ascending, and how central it is to each: 0..1."""
        column = self.column.get(key)
        if column is None:
            return _NOBODY
        part = slice(*self.holders.indptr[column : column + 2])
        return self.holders.indices[part].astype(np.intp), self.holders.data[part]

    def spelling(self, row: int, key: str) -> str:
        """The name as this item writes it; the item must have it."""
        rows, _ = self.of(key)
        start = self.holders.indptr[self.column[key]]
        return self.spellings[int(self.spelt[start + np.searchsorted(rows, row)])]

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        return {
            f"{prefix}.keys": words_to_array(self.keys),
            f"{prefix}.starts": self.holders.indptr,
            f"{prefix}.rows": self.holders.indices,
            f"{prefix}.central": self.holders.data.astype(np.float16),
            f"{prefix}.spelt": self.spelt,
            f"{prefix}.spellings": words_to_array(self.spellings),
        }

    @classmethod
    def from_arrays(cls, prefix: str, arrays: Arrays, items: int) -> "Names":
        keys = array_to_words(arrays[f"{prefix}.keys"])
        central = arrays[f"{prefix}.central"].astype(np.float32)
        parts = (central, arrays[f"{prefix}.rows"], arrays[f"{prefix}.starts"])
        holders = sparse.csc_array(parts, shape=(items, len(keys)))
        spellings = array_to_words(arrays[f"{prefix}.spellings"])
        return cls(keys, holders, arrays[f"{prefix}.spelt"], spellings)


@dataclass(frozen=True, eq=False, kw_only=True)
class Shelf:
    """Items in order of popularity (then id), one row each. `year` is 0 where it is unknown,
    `language` numbers `languages` or is −1, `shares` weighs the fields' likenesses (sum ≤ 1)."""

    ids: Sequence[UUID]
    readers: NDArray[np.int32]
    year: NDArray[np.int16]
    language: NDArray[np.int16]
    languages: Sequence[str]
    names: Mapping[Field, Names]
    shares: Mapping[Field, float]

    @cached_property
    def row_of(self) -> Mapping[UUID, int]:
        return {item_id: row for row, item_id in enumerate(self.ids)}

    @cached_property
    def readers_of(self) -> Mapping[UUID, int]:
        return dict(zip(self.ids, self.readers.tolist(), strict=True))

    @cached_property
    def popularity(self) -> Vector:
        """0..1, the logarithm of the readers over that of the most read."""
        readers = np.log1p(np.maximum(self.readers, 0)).astype(np.float32)
        return np.asarray(readers / np.maximum(readers.max(initial=0), np.float32(1)))

    def rows(self, ids: Iterable[UUID]) -> Rows:
        """The rows of those ids that are known, ascending."""
        known = {self.row_of[item_id] for item_id in ids if item_id in self.row_of}
        return np.array(sorted(known), dtype=np.intp)

    def arrays(self) -> dict[str, NDArray[Any]]:
        raw = np.frombuffer(b"".join(item_id.bytes for item_id in self.ids), dtype=np.uint8)
        own: dict[str, NDArray[Any]] = {
            "shelf.ids": raw,
            "shelf.readers": self.readers,
            "shelf.year": self.year,
            "shelf.language": self.language,
            "shelf.languages": words_to_array(self.languages),
            "shelf.shares": np.array([self.shares[field] for field in Field], dtype=np.float64),
        }
        named = (names.arrays(f"shelf.{field}") for field, names in self.names.items())
        return dict(chain(own.items(), *(part.items() for part in named)))

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Shelf":
        raw = arrays["shelf.ids"].tobytes()
        ids = [UUID(bytes=raw[start : start + 16]) for start in range(0, len(raw), 16)]
        return cls(
            ids=ids,
            readers=arrays["shelf.readers"],
            year=arrays["shelf.year"],
            language=arrays["shelf.language"],
            languages=array_to_words(arrays["shelf.languages"]),
            names={f: Names.from_arrays(f"shelf.{f}", arrays, len(ids)) for f in NAMES},
            shares=dict(zip(Field, arrays["shelf.shares"].tolist(), strict=True)),
        )


def by_popularity(items: Iterable[Item]) -> list[Item]:
    unique = {item.id: item for item in items}.values()
    return sorted(unique, key=lambda item: (-item.popularity, item.id))


def shelf_of(
    ranked: Sequence[Item],
    centrality: Mapping[Field, tuple[Matrix, Mapping[str, int]]],
    shares: Mapping[Field, float],
) -> Shelf:
    """Of items in their order, with each field's items × names and the columns of its names."""
    spoken = [language_key(item.language) if item.language else "" for item in ranked]
    languages = sorted(set(spoken) - {""})
    number = {"": -1, **{language: place for place, language in enumerate(languages)}}
    return Shelf(
        ids=[item.id for item in ranked],
        readers=np.array([item.popularity for item in ranked], dtype=np.int32),
        year=np.clip([item.year or 0 for item in ranked], -32768, 32767).astype(np.int16),
        language=np.array([number[language] for language in spoken], dtype=np.int16),
        languages=languages,
        names={field: _names(ranked, field, *centrality[field]) for field in NAMES},
        shares=shares,
    )


def _names(
    ranked: Sequence[Item], field: Field, matrix: Matrix, vocabulary: Mapping[str, int]
) -> Names:
    holders = sparse.csc_array(matrix)
    holders.sort_indices()
    spellings: dict[str, int] = {}
    written: dict[tuple[int, int], int] = {}
    for row, item in enumerate(ranked):
        for name in NAMES[field](item):
            column = vocabulary.get(name_key(name))
            if column is not None:
                written.setdefault((row, column), spellings.setdefault(name, len(spellings)))
    columns = np.repeat(np.arange(holders.shape[1]), np.diff(holders.indptr))
    places = zip(holders.indices.tolist(), columns.tolist(), strict=True)
    spelt = np.array([written[place] for place in places], dtype=np.int32)
    return Names(sorted(vocabulary, key=vocabulary.__getitem__), holders, spelt, list(spellings))

"""Evidence as it is shown: what was kept by place, quoted from the text that is kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.domains.catalog.model import Passage, Quote
from app.domains.catalog.ports import CatalogWork

_PARTS = ("summary", "hook", "blurb")

Kept = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CitedSentence:
    """One sentence readers are told, with quotes from the book that bear it out."""

    text: str
    supported: bool
    support: Sequence[Quote]
    unfounded: Sequence[str]


@dataclass(frozen=True, slots=True)
class CitedEvidence:
    """`chapters` are in the order of the chapters shown."""

    summary: Sequence[CitedSentence]
    hook: Sequence[CitedSentence]
    blurb: Sequence[CitedSentence]
    chapters: Sequence[Sequence[CitedSentence]]
    removed: Sequence[str]


async def cited_evidence(work: CatalogWork, book_id: UUID) -> CitedEvidence | None:
    """The evidence of what is shown of the book, or None where none was kept."""
    kept = await work.summaries.evidence(book_id)
    if kept is None:
        return None
    numbers = {support["passage"] for line in _lines(kept) for support in line["support"]}
    passages = await work.texts.passages(book_id, numbers)
    titles = await work.texts.titles(book_id)
    citing = _Citing(passages, titles)
    return CitedEvidence(
        **{part: citing.all_of(kept[part]) for part in _PARTS},
        chapters=[citing.all_of(chapter) for chapter in kept["chapters"]],
        removed=kept["removed"],
    )


def _lines(kept: Kept) -> Iterator[Kept]:
    for part in (*(kept[name] for name in _PARTS), *kept["chapters"]):
        yield from part


class _Citing:
    def __init__(self, passages: Mapping[int, Passage], titles: Sequence[str]) -> None:
        self._passages = passages
        self._titles = titles

    def all_of(self, lines: Sequence[Kept]) -> list[CitedSentence]:
        return [CitedSentence(**{**line, "support": self._quotes(line)}) for line in lines]

    def _quotes(self, line: Kept) -> list[Quote]:
        return [self._quote(**s) for s in line["support"] if s["passage"] in self._passages]

    def _quote(self, passage: int, start: int, end: int) -> Quote:
        found = self._passages[passage]
        text = found.text[start - found.start : end - found.start]
        return Quote(passage, self._titles[found.chapter], start, end, text)

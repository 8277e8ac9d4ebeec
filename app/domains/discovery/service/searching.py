"""Finding books by what they are called, and passages by what they say."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from app.domains.accounts.model import User
from app.domains.catalog.model import BookQuery, BookView, Facets
from app.domains.catalog.service import ShelvingService
from app.domains.discovery.model import (
    Answer,
    BookHit,
    FoundPassage,
    InBookPage,
    PassageHit,
    PassageText,
    Ranked,
    Route,
    Scope,
    Term,
    Way,
    words_of,
)
from app.domains.discovery.ports import DiscoveryWork, Within
from app.domains.discovery.service.fusing import fused
from app.domains.discovery.service.likeness import isbns_in, likeness
from app.domains.discovery.service.meaning import Meaning, Meanings
from app.domains.discovery.service.neighbours import joined, passages_of
from app.domains.discovery.service.ranking import coverage, pairs_of, ranked
from app.domains.discovery.service.snippets import snippet_of
from app.domains.discovery.service.variety import Read, to_read, varied
from app.shared.pages import PageRequest
from app.shared.words import folded

# What a typo or a missing word leaves of a name; a question shares less with any.
_ALIKE = 0.6
_SCORES: Mapping[Route, float] = {"isbn": 1.0, "title": 1.0, "author": 0.995}
_BESIDE_BOOKS = 3
# In one book, what says less than this share of what the best place says is no hit.
_IN_BOOK = 0.5
# So many places are looked for by meaning: in all books, and in one.
_NEAR = 100
_NEAR_IN_BOOK = 10


@dataclass(frozen=True, slots=True)
class _Found:
    """Places, the best first, the words they were looked for by, and the ways."""

    hits: Sequence[Ranked]
    terms: Sequence[Term]
    ways: Sequence[Way]


@dataclass(frozen=True, slots=True)
class Snippets:
    """How much of the text is shown: `length` characters to who may read the book, `taste`
    to others (`everything`: to all alike)."""

    length: int = 300
    taste: int = 90
    everything: bool = False


class SearchService:
    def __init__(
        self,
        *,
        begin: Callable[[], DiscoveryWork],
        shelving: ShelvingService,
        snippets: Snippets,
        meanings: Meanings | None = None,
    ) -> None:
        self._begin = begin
        self._shelving = shelving
        self._snippets = snippets
        self._meanings = meanings or Meanings(None)

    async def search(
        self, actor: User, question: str, scope: Scope, filters: BookQuery, limit: int
    ) -> Answer:
        """The best `limit` of all that is found, in one list: scores are comparable. Beside
        books no book has more than three places in the list. Passages are looked for by
        meaning too when a model says in time what the question means."""
        books = await self._books(question, filters, limit) if scope != "passages" else []
        if scope == "books":
            return Answer(_best(books, limit), ["words"])
        found = await self._ranked(question, Within(filters))
        most = _BESIDE_BOOKS if scope == "all" else None
        places = await self._passages(actor, question, found, limit, most)
        return Answer(_best([*books, *places], limit), found.ways)

    async def facets(self, question: str, filters: BookQuery) -> Facets:
        """What the books are that are called like what is asked, and how many of each."""
        return await self._shelving.facets(replace(filters, q=question))

    async def search_in(
        self,
        actor: User,
        book_id: UUID,
        question: str,
        *,
        by_place: bool,
        after: int | None,
        limit: int,
    ) -> InBookPage:
        """All places of one book: the best first, or in the order of the book after the
        passage of that number. Raises BookNotFound."""
        await self._shelving.find(book_id)
        found = await self._places_in(book_id, question, by_meaning=not by_place)
        hits, total = found.hits, len(found.hits)
        if by_place:
            hits = sorted(
                (h for h in hits if after is None or h.place.ordinal > after),
                key=lambda hit: hit.place,
            )
        shown = hits[:limit]
        more = by_place and len(hits) > limit
        forms = None if found.terms else _words(question)
        read = [_alone(text, hit, forms) for text, hit in await self._read(shown, found.terms)]
        next_ordinal = shown[-1].place.ordinal if more else None
        return InBookPage(await self._shown(actor, question, read), total, next_ordinal, found.ways)

    async def passages_for(
        self, question: str, filters: BookQuery, k: int
    ) -> Sequence[FoundPassage]:
        """The `k` passages that say most of the question, the best first, each with its
        whole text: for who answers from them, not for who may not read the book."""
        found = await self._ranked(question, Within(filters))
        return [_alone(text, hit) for text, hit in await self._varied(found, k)]

    async def _passages(
        self, actor: User, question: str, found: _Found, limit: int, most: int | None
    ) -> Sequence[PassageHit]:
        read = await self._varied(found, passages_of(limit))
        places = joined([_alone(text, hit) for text, hit in read])
        return await self._shown(actor, question, _capped(places, most)[:limit])

    async def _ranked(self, question: str, within: Within) -> _Found:
        """By words, and by meaning where there are words that mean something."""
        (hits, terms), meaning = await asyncio.gather(
            self._by_words(question, within), self._meanings.of(question)
        )
        near = await self._near(meaning, within, _NEAR) if terms and meaning else None
        return _both(hits, terms, near)

    async def _by_words(
        self, question: str, within: Within
    ) -> tuple[Sequence[Ranked], Sequence[Term]]:
        async with self._begin() as work:
            terms = await work.index.terms(question, within.book_id)
            pairs = pairs_of(terms)
            candidates = await work.index.candidates(terms, pairs, within) if terms else []
        return ranked(candidates, terms, pairs), terms

    async def _near(self, meaning: Meaning, within: Within, k: int) -> Sequence[Ranked] | None:
        """None when nothing is known to this model."""
        async with self._begin() as work:
            space = await work.vectors.space_of(meaning.reference)
            if space is None:
                return None
            return await work.vectors.nearest(space, meaning.vector, k, within)

    async def _places_in(self, book_id: UUID, question: str, *, by_meaning: bool) -> _Found:
        """Places that say about as much of the question as the best, and the nearest by
        meaning; of a question of little words only, the places that have it literally."""
        within = Within(book_id=book_id)
        async with self._begin() as work:
            terms = await work.index.terms(question, book_id)
            if not terms:
                places = await work.index.literally(question, book_id)
                return _Found([Ranked(place, 1.0) for place in places], [], ["words"])
            pairs = pairs_of(terms)
            candidates = await work.index.candidates(terms, pairs, within)
        covered = {c.place: coverage(c, terms) for c in candidates}
        least = _IN_BOOK * max(covered.values(), default=0)
        kept = [c for c in candidates if covered[c.place] >= least]
        meaning = await self._meanings.of(question) if by_meaning else None
        near = await self._near(meaning, within, _NEAR_IN_BOOK) if meaning else None
        return _both(ranked(kept, terms, pairs), terms, near)

    async def _varied(self, found: _Found, number: int) -> Sequence[Read]:
        return varied(await self._read(to_read(found.hits, number), found.terms), number)

    async def _read(self, hits: Sequence[Ranked], terms: Sequence[Term]) -> Sequence[Read]:
        async with self._begin() as work:
            texts = await work.index.texts([hit.place for hit in hits], terms)
        # One that was removed a moment ago is not shown.
        return [(texts[hit.place], hit) for hit in hits if hit.place in texts]

    async def _books(self, question: str, filters: BookQuery, limit: int) -> Sequence[BookHit]:
        async with self._begin() as work:
            named = await work.shelves.named(question, isbns_in(question), filters, limit)
        # The best route of each book is the first one.
        routes = dict(reversed(named))
        views = await self._shelving.views(routes.keys())
        exact = [BookHit(view, routes[b], _SCORES[routes[b]]) for b, view in views.items()]
        return [*exact, *await self._alike(question, filters, limit, routes.keys())]

    async def _alike(
        self, question: str, filters: BookQuery, limit: int, known: Collection[UUID]
    ) -> Sequence[BookHit]:
        query = replace(filters, q=question, sort="relevance")
        page = await self._shelving.search(query, PageRequest(limit))
        hits = [_alike_hit(question, view) for view in page.items if view.book.id not in known]
        return [hit for hit in hits if hit.score >= _ALIKE]

    async def _shown(
        self, actor: User, question: str, found: Sequence[FoundPassage]
    ) -> Sequence[PassageHit]:
        books = {passage.first.book_id for passage in found}
        async with self._begin() as work:
            mine = await work.shelves.readable_by(actor.id, books)
        readable = books if actor.keeps_the_library else mine
        return [self._hit(question, each, each.first.book_id in readable) for each in found]

    def _hit(self, question: str, passage: FoundPassage, readable: bool) -> PassageHit:
        whole = readable or self._snippets.everything
        length = self._snippets.length if whole else self._snippets.taste
        return PassageHit(passage, snippet_of(passage, length, question), readable)


def _best(hits: Sequence[BookHit | PassageHit], limit: int) -> Sequence[BookHit | PassageHit]:
    return sorted(hits, key=lambda hit: -hit.score)[:limit]


def _both(hits: Sequence[Ranked], terms: Sequence[Term], near: Sequence[Ranked] | None) -> _Found:
    if near is None:
        return _Found(hits, terms, ["words"])
    return _Found(fused(hits, near), terms, ["words", "meaning"])


def _alike_hit(question: str, view: BookView) -> BookHit:
    return BookHit(view, "alike", likeness(question, view.book))


def _words(question: str) -> Mapping[str, int]:
    """The words of a question that is looked for literally."""
    spans = enumerate(words_of(question))
    return {folded(question[start:end]): number for number, (start, end) in spans}


def _alone(text: PassageText, hit: Ranked, forms: Mapping[str, int] | None = None) -> FoundPassage:
    return FoundPassage(
        first=text.place,
        last=text.place.ordinal,
        title=text.title,
        author=text.author,
        chapter=text.chapter,
        heading=text.heading,
        page=text.page,
        start=text.start,
        text=text.text,
        forms=text.forms if forms is None else forms,
        score=hit.score,
    )


def _capped(found: Sequence[FoundPassage], most: int | None) -> Sequence[FoundPassage]:
    """At most so many of each book, the best ones."""
    if most is None:
        return found
    seen: Counter[UUID] = Counter()
    kept = []
    for passage in found:
        seen[passage.first.book_id] += 1
        if seen[passage.first.book_id] <= most:
            kept.append(passage)
    return kept

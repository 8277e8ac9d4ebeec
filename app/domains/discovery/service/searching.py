"""Finding books by what they are called, and passages by what they say."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from app.domains.accounts.model import User
from app.domains.catalog.model import BookQuery, BookView, Facets
from app.domains.catalog.service import ShelvingService
from app.domains.discovery.model import (
    BookHit,
    FoundPassage,
    InBookPage,
    PassageHit,
    PassageText,
    Ranked,
    Route,
    Scope,
    Term,
    words_of,
)
from app.domains.discovery.ports import DiscoveryWork, Within
from app.domains.discovery.service.likeness import isbns_in, likeness
from app.domains.discovery.service.neighbours import joined, to_look_at
from app.domains.discovery.service.ranking import coverage, pairs_of, ranked
from app.domains.discovery.service.snippets import snippet_of
from app.shared.pages import PageRequest
from app.shared.words import folded

# What a typo or a missing word leaves of a name; a question shares less with any.
_ALIKE = 0.6
_SCORES: Mapping[Route, float] = {"isbn": 1.0, "title": 1.0, "author": 0.995}
_BESIDE_BOOKS = 3
# In one book, what says less than this share of what the best place says is no hit.
_IN_BOOK = 0.5


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
    ) -> None:
        self._begin = begin
        self._shelving = shelving
        self._snippets = snippets

    async def search(
        self, actor: User, question: str, scope: Scope, filters: BookQuery, limit: int
    ) -> Sequence[BookHit | PassageHit]:
        """The best `limit` of all that is found, in one list: scores are comparable. Beside
        books no book has more than three places in the list."""
        books = await self._books(question, filters, limit) if scope != "passages" else []
        most = _BESIDE_BOOKS if scope == "all" else None
        places = (
            await self._passages(actor, question, filters, limit, most) if scope != "books" else []
        )
        found: list[BookHit | PassageHit] = [*books, *places]
        return sorted(found, key=lambda hit: -hit.score)[:limit]

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
        hits, terms = await self._places_in(book_id, question)
        total = len(hits)
        if by_place:
            hits = sorted(
                (h for h in hits if after is None or h.place.ordinal > after),
                key=lambda hit: hit.place,
            )
        shown = hits[:limit]
        more = by_place and len(hits) > limit
        read = await self._read(shown, terms)
        found = [_alone(text, hit, None if terms else _words(question)) for text, hit in read]
        next_ordinal = shown[-1].place.ordinal if more else None
        return InBookPage(await self._shown(actor, found), total, next_ordinal)

    async def passages_for(
        self, question: str, filters: BookQuery, k: int
    ) -> Sequence[FoundPassage]:
        """The `k` passages that say most of the question, the best first, each with its
        whole text: for who answers from them, not for who may not read the book."""
        hits, terms = await self._ranked(question, Within(filters))
        return [_alone(text, hit) for text, hit in await self._read(hits[:k], terms)]

    async def _passages(
        self, actor: User, question: str, filters: BookQuery, limit: int, most: int | None
    ) -> Sequence[PassageHit]:
        hits, terms = await self._ranked(question, Within(filters))
        read = await self._read(to_look_at(hits, limit), terms)
        found = joined([_alone(text, hit) for text, hit in read])
        return await self._shown(actor, _capped(found, most)[:limit])

    async def _ranked(
        self, question: str, within: Within
    ) -> tuple[Sequence[Ranked], Sequence[Term]]:
        async with self._begin() as work:
            terms = await work.index.terms(question, within.book_id)
            pairs = pairs_of(terms)
            candidates = await work.index.candidates(terms, pairs, within) if terms else []
        return ranked(candidates, terms, pairs), terms

    async def _places_in(
        self, book_id: UUID, question: str
    ) -> tuple[Sequence[Ranked], Sequence[Term]]:
        """Places that say about as much of the question as the best; of a question of
        little words only, the places that have it literally."""
        async with self._begin() as work:
            terms = await work.index.terms(question, book_id)
            if not terms:
                found = await work.index.literally(question, book_id)
                return [Ranked(place, 1.0) for place in found], []
            pairs = pairs_of(terms)
            within = Within(book_id=book_id)
            candidates = await work.index.candidates(terms, pairs, within)
        covered = {c.place: coverage(c, terms) for c in candidates}
        least = _IN_BOOK * max(covered.values(), default=0)
        kept = [c for c in candidates if covered[c.place] >= least]
        return ranked(kept, terms, pairs), terms

    async def _read(
        self, hits: Sequence[Ranked], terms: Sequence[Term]
    ) -> Sequence[tuple[PassageText, Ranked]]:
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

    async def _shown(self, actor: User, found: Sequence[FoundPassage]) -> Sequence[PassageHit]:
        books = {passage.first.book_id for passage in found}
        async with self._begin() as work:
            mine = await work.shelves.readable_by(actor.id, books)
        readable = books if actor.keeps_the_library else mine
        return [self._hit(passage, passage.first.book_id in readable) for passage in found]

    def _hit(self, passage: FoundPassage, readable: bool) -> PassageHit:
        whole = readable or self._snippets.everything
        length = self._snippets.length if whole else self._snippets.taste
        return PassageHit(passage, snippet_of(passage, length), readable)


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

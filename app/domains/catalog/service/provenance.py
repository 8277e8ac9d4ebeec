"""Where in the book it says so: each sentence readers are told, with the sentences of the
book that bear it out."""

from collections.abc import Iterable, Mapping, Sequence
from threading import Lock

from app.domains.catalog.model import Passage, Support, TracedSentence
from app.domains.catalog.service.faithfulness import Founded, Sources, Statement, founded
from app.domains.catalog.service.passages import Shelfmarks
from app.domains.catalog.service.questions import Place
from app.shared.sentences import sentence_spans
from app.shared.words import WORD, stems

_LONGEST_QUOTE = 400
_FEW = 40


class Grounds:
    """A book to hold against what is said of it: its passages by number. `known` are names
    that need no passage. Of a long book the first question takes seconds; every method may
    run in a thread."""

    def __init__(self, passages: Mapping[int, Passage], *, known: Iterable[str] = ()) -> None:
        self._passages = passages
        self._marks = Shelfmarks(passages)
        self._known = list(known)
        self._lock = Lock()
        self._prepared: Sources | None = None

    @property
    def _whole(self) -> Sources:
        with self._lock:
            if self._prepared is None:
                self._prepared = self._sources(self._passages)
            return self._prepared

    def _sources(self, numbers: Iterable[int]) -> Sources:
        return Sources(((n, self._passages[n].text) for n in numbers), known=self._known)

    def founded(self, text: str, place: Place | None = None) -> Founded:
        """The text without the sentences that have a name or a number the book (or that
        part of it) has not, or nothing in common with it; as it is, marked, where none
        would be left."""
        found = self._founded(text, self._numbers_of(place))
        strange = [s for s in found.statements if not s.support]
        if not strange or len(strange) == len(found.statements):
            return found
        kept = tuple(s for s in found.statements if s.support)
        text = " ".join(s.text for s in kept)
        return Founded(text, kept, (*found.removed, *strange))

    def _founded(self, text: str, numbers: Sequence[int] | None) -> Founded:
        """A few passages are read at once: the first answers are not kept waiting until the
        whole book is."""
        if numbers is not None and len(numbers) <= _FEW:
            return founded(text, self._sources(numbers))
        return founded(text, self._whole, within=numbers)

    def has_name(self, name: str) -> bool:
        """Whether the book knows somebody, or something, of that name."""
        return not any(s.unfounded for s in self._whole.statements(f"and {name}"))

    def traced(self, text: str, place: Place | None = None) -> list[TracedSentence]:
        """The sentences of the text with at least one support each, wherever the book (or
        that part of it) has a passage at all."""
        statements = self._whole.statements(text, within=self._numbers_of(place))
        return [self._traced(statement, place) for statement in statements]

    def _numbers_of(self, place: Place | None) -> Sequence[int] | None:
        return None if place is None else self._marks.between(*place)

    def _traced(self, statement: Statement, place: Place | None) -> TracedSentence:
        text, support, unfounded = statement.text, statement.support, statement.unfounded
        if unfounded or not support:
            numbers = self._numbers_of(place) or list(self._passages)
            if verbatim := self._having(text, numbers):
                support, unfounded = (*verbatim, *support), ()
            support = support or tuple(numbers[:1])
        quotes = [quoted(text, number, self._passages[number]) for number in dict.fromkeys(support)]
        return TracedSentence(text, statement.supported, quotes, unfounded)

    def _having(self, text: str, numbers: Sequence[int]) -> Sequence[int]:
        """The passage the text stands in, word by word."""
        bare = text.rstrip(".…")
        return [n for n in numbers if bare in self._passages[n].text][:1]


def quoted(text: str, number: int, passage: Passage) -> Support:
    """The sentence of the passage that has most of the words of the text, the longer words
    counting more; of a long one the beginning."""
    wanted = _stems(text)

    def likeness(span: tuple[int, int]) -> float:
        found = _stems(passage.text[slice(*span)])
        return sum(len(stem) for stem in wanted & found) / (8 + len(found))

    spans = list(sentence_spans(passage.text)) or [(0, len(passage.text))]
    start, end = max(spans, key=likeness)
    end = min(end, start + _LONGEST_QUOTE)
    return Support(number, passage.start + start, passage.start + end)


def _stems(text: str) -> set[str]:
    return {stem for word in WORD.findall(text) for stem in stems(word)}

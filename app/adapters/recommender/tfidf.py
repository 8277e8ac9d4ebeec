"""The content default: fielded TF-IDF, and every book of a history speaking for itself."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import BinaryIO
from uuid import UUID

from typing_extensions import override

from app.adapters.recommender.answering import Contribution, answer, judged
from app.adapters.recommender.archive import Archive, read_archive, whole, write_archive
from app.adapters.recommender.content import Content, content_of
from app.adapters.recommender.evidence import Evidence, reader_of
from app.adapters.recommender.graph import Rows, Vector
from app.adapters.recommender.shelf import Shelf, by_popularity
from app.ports.recommender import Profile, Reason, Recommendation, Recommender, Snapshot


class TfidfRecommender(Recommender):
    """Knows what books say of themselves, and of readers only how many there are.

    A question asked during a `fit` is answered from the one before it.
    """

    name = "tfidf"

    def __init__(self) -> None:
        self._content = content_of(())

    @property
    @override
    def items(self) -> Mapping[UUID, int]:
        return self._content.shelf.readers_of

    @override
    def fit(self, snapshot: Snapshot) -> None:
        self._content = content_of(by_popularity(snapshot.items))

    @override
    def recommend(
        self, profile: Profile, exclude: Collection[UUID], k: int, *, diversity: float = 0.0
    ) -> list[Recommendation]:
        content = self._content
        evidence = content.evidence(reader_of(content.shelf, profile))
        totals = evidence.history() + evidence.stated()
        found = judged(
            # Of two books that fit alike, more readers finish the one that more readers chose.
            totals * (1 + content.shelf.popularity),
            totals,
            evidence.welcome(),
            content.shelf.rows(exclude),
        )
        return answer(
            content.shelf,
            found,
            k,
            likeness=content.likeness,
            diversity=diversity,
            why=lambda rows: because_of_content(evidence, rows),
        )

    @override
    def similar(self, item_id: UUID, k: int) -> list[Recommendation]:
        content = self._content
        seed = content.shelf.row_of.get(item_id)
        return [] if seed is None else content.similar(seed, k)

    @override
    def save(self, target: BinaryIO) -> None:
        write_archive(target, Archive(self.name, {}, self._content.arrays()))

    @override
    def load(self, source: BinaryIO) -> None:
        with whole(read_archive(source, self.name).arrays) as arrays:
            self._content = Content.from_arrays(arrays)


def because_of_content(evidence: Evidence, rows: Rows) -> Iterator[Sequence[Contribution]]:
    borrowed = evidence.borrowed(rows)
    for place, row in enumerate(rows):
        history = named(evidence.shelf, evidence.reader.rows, borrowed[:, place])
        yield [*history, *evidence.liked(int(row))]


def named(shelf: Shelf, history: Rows, said: Vector) -> Iterator[Contribution]:
    for place in (said > 0).nonzero()[0]:
        reason = Reason("because_you_borrowed", item_id=shelf.ids[history[place]])
        yield float(said[place]), reason

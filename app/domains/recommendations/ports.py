from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domains.recommendations.model import (
    Deed,
    Feedback,
    Past,
    Preferences,
    Showing,
    StoredModel,
)
from app.ports.recommender import Item
from app.ports.work import UnitOfWork


class PreferencesRepository(ABC):
    @abstractmethod
    async def of(self, user_id: UUID) -> Preferences | None: ...

    @abstractmethod
    async def put(self, preferences: Preferences) -> None:
        """Replace what the reader said before."""


class ShowingRepository(ABC):
    @abstractmethod
    async def add(self, showing: Showing) -> None: ...

    @abstractmethod
    async def find(self, showing_id: UUID, user_id: UUID) -> Showing | None:
        """The showing, if it was this reader's."""

    @abstractmethod
    async def note(self, feedback: Feedback) -> None:
        """The same action on the same book of a showing is one, at its latest time. Raises
        the catalog's BookNotFound, ShowingNotFound."""

    @abstractmethod
    async def sweep(self, before: datetime, limit: int) -> int:
        """Remove showings from before that nobody gave feedback on, `limit` at most; their
        number."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How many books there are, how many loans there were, and how many readers."""

    books: int
    loans: int
    readers: int


@dataclass(frozen=True, slots=True)
class Revision:
    """`library` is another one whenever the snapshot would differ in more than a small share
    of the loans, `memory` whenever somebody's history was forgotten or erased; both short."""

    library: str
    memory: str


class ReadingRepository(ABC):
    """What readers did, and what there is to read, as a model may know it."""

    @abstractmethod
    async def extent(self, up_to: int) -> Extent:
        """Counts no further than `up_to`, so it is cheap in the largest library."""

    @abstractmethod
    async def revision(self) -> Revision: ...

    @abstractmethod
    async def items(self, after: UUID | None, limit: int) -> Sequence[Item]:
        """Books by id, those behind `after`; popularity counts those who ever borrowed one."""

    @abstractmethod
    async def items_among(self, book_ids: Collection[UUID]) -> Mapping[UUID, Item]:
        """Those of the books that exist, without their text and their popularity."""

    @abstractmethod
    async def free_copies(self, book_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """Of those of the books that exist."""

    @abstractmethod
    async def popular(self, limit: int) -> Sequence[Item]:
        """The most borrowed books, then the newest, without their text."""

    @abstractmethod
    async def arrived(self, since: datetime, limit: int) -> Sequence[Item]:
        """The newest books added since then, without text and popularity."""

    @abstractmethod
    async def readers(self, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Readers by id, those behind `after`."""

    @abstractmethod
    async def deeds_of(self, user_id: UUID, limit: int) -> Sequence[Deed]:
        """What the reader did with books, the latest of each kind up to `limit`: each loan and
        review, each book viewed, and the last of each kind of feedback on a book. Nothing
        from before they had their history forgotten."""

    @abstractmethod
    async def deeds_of_all(self, user_ids: Collection[UUID]) -> Mapping[UUID, Sequence[Deed]]:
        """The same of many readers, without a limit."""

    @abstractmethod
    async def past_of(self, user_id: UUID) -> Past:
        """All of it that is kept by the reader's name, however long ago."""

    @abstractmethod
    async def marked(self, marks: Collection[bytes]) -> Collection[bytes]:
        """Those of the marks of borrowings that the lending room keeps."""

    @abstractmethod
    async def note_view(self, user_id: UUID, book_id: UUID, at: datetime) -> None:
        """Once a day at most; nothing for a book or reader that is gone."""

    @abstractmethod
    async def forget_views(self, before: datetime, limit: int) -> int:
        """Remove looks from before, `limit` at most; their number."""

    @abstractmethod
    async def forget_learnt(self, limit: int) -> int:
        """Remove looks at books, and feedback but what was dismissed, of everybody, and how
        likely each book was shown; `limit` rows of each at most. How many rows."""

    @abstractmethod
    async def forget_history(self, user_id: UUID, at: datetime) -> None:
        """Remove the reader's views, showings and feedback, take their name off the loans
        that are over, and tell of what is left nothing from before `at`."""


class ModelRepository(ABC):
    """Fitted models by the name of their recommender."""

    @abstractmethod
    async def add(self, model: StoredModel) -> None: ...

    @abstractmethod
    async def find(self, model_id: UUID) -> StoredModel | None: ...

    @abstractmethod
    async def published(self, name: str, limit: int) -> Sequence[StoredModel]:
        """The newest first."""

    @abstractmethod
    async def latest(self, name: str) -> StoredModel | None:
        """The one announced last, whatever came of it."""

    @abstractmethod
    async def useless(
        self, *, kept: Collection[UUID], superseded_before: datetime, announced_before: datetime
    ) -> Sequence[StoredModel]:
        """Of any name, those published before one moment that are not `kept`, and those
        announced before the other and not published."""

    @abstractmethod
    async def remove(self, model_id: UUID) -> None: ...


class RecommendationsWork(UnitOfWork):
    """What is kept for a reader who is gone by now raises NotAuthenticated."""

    preferences: PreferencesRepository
    showings: ShowingRepository
    reading: ReadingRepository
    models: ModelRepository

from abc import ABC, abstractmethod
from collections.abc import Sequence
from uuid import UUID

from app.domains.recommendations.model import Deed, Feedback, Preferences, Showing
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
        """Raises the catalog's BookNotFound, ShowingNotFound."""


class ReadingRepository(ABC):
    """What readers did, and what there is to read, as a model may know it."""

    @abstractmethod
    async def revision(self) -> str:
        """Short, cheap to ask for, and another one whenever `items` would differ in more
        than how popular a well-known book is."""

    @abstractmethod
    async def items(self) -> Sequence[Item]:
        """All books; popularity counts those who ever borrowed one."""

    @abstractmethod
    async def deeds_of(self, user_id: UUID) -> Sequence[Deed]:
        """What the reader did with books: each loan and review, and the last of each kind of
        feedback on a book."""


class RecommendationsWork(UnitOfWork):
    """What is kept for a reader who is gone by now raises NotAuthenticated."""

    preferences: PreferencesRepository
    showings: ShowingRepository
    reading: ReadingRepository

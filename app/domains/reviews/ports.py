from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.domains.reviews.model import (
    Consensus,
    Exemplar,
    Opinion,
    Ratings,
    Reading,
    Review,
    ReviewSort,
    ReviewView,
    Standing,
)
from app.ports.work import UnitOfWork
from app.shared.pages import Page, PageRequest


class ReviewRepository(ABC):
    """Reviews, their opinions, and the sums of both. Whatever changes a review changes the
    sums by exactly that: at every commit they equal a recount of all reviews."""

    @abstractmethod
    async def hold(self, book_id: UUID) -> None:
        """Keep others from changing the book's reviews and consensus until the work ends;
        before every change. Raises the catalog's BookNotFound."""

    @abstractmethod
    async def require_book(self, book_id: UUID) -> None:
        """Raises the catalog's BookNotFound."""

    @abstractmethod
    async def add(self, review: Review) -> None:
        """Raises AlreadyReviewed, at once or at the end of the work."""

    @abstractmethod
    async def get(self, book_id: UUID, review_id: UUID) -> Review:
        """Raises ReviewNotFound."""

    @abstractmethod
    async def find(self, review_id: UUID) -> Review | None: ...

    @abstractmethod
    async def reword(self, review: Review, *, rating: int, text: str, at: datetime) -> None:
        """Edit the review; its old opinions are gone."""

    @abstractmethod
    async def remove(self, review: Review) -> None: ...

    @abstractmethod
    async def read(self, review: Review, reading: Reading) -> None:
        """Count what the review says in place of what was counted of it before."""

    @abstractmethod
    async def opinions_of(self, review: Review) -> Sequence[Opinion]:
        """What is counted of the review, by sentence and aspect."""

    @abstractmethod
    async def twin_of(self, review: Review, *, reader: str, prompt: str) -> Review | None:
        """Any other review of the same words (white space apart), of whatever book, that this
        model (`provider:model`) was asked to read with this prompt."""

    @abstractmethod
    async def view(self, review: Review) -> ReviewView: ...

    @abstractmethod
    async def of_book(
        self, book_id: UUID, *, sort: ReviewSort, page: PageRequest
    ) -> Page[ReviewView]: ...

    @abstractmethod
    async def ratings(self, book_id: UUID) -> Ratings: ...

    @abstractmethod
    async def standing(self, book_id: UUID) -> Standing: ...

    @abstractmethod
    async def exemplars(self, book_id: UUID) -> Sequence[Exemplar]:
        """For each aspect and polarity a sentence of each of two readers at most: those of
        handy length (30 to 200 characters) first, then those of the newest reviews."""

    @abstractmethod
    async def waiting_for(self, reader: str, book_id: UUID) -> Sequence[UUID]:
        """Reviews this model (`provider:model`) has to read: those nobody has read, then
        those a stand-in has read because another model failed."""

    @abstractmethod
    async def rebuild(self, book_id: UUID) -> bool:
        """Make the sums anew from the reviews and their opinions; whether they were others."""

    @abstractmethod
    async def books(self) -> Sequence[UUID]:
        """Books that have reviews, or sums of them."""


class ConsensusRepository(ABC):
    @abstractmethod
    async def add(self, consensus: Consensus) -> None: ...

    @abstractmethod
    async def find(self, book_id: UUID) -> Consensus | None: ...


class ReviewsWork(UnitOfWork):
    reviews: ReviewRepository
    consensus: ConsensusRepository

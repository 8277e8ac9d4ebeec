from abc import ABC, abstractmethod
from collections.abc import Sequence
from uuid import UUID

from app.domains.lending.model import Loan
from app.ports.work import UnitOfWork
from app.shared.pages import Page, PageRequest


class LoanRepository(ABC):
    @abstractmethod
    async def count_open(self, user_id: UUID) -> int:
        """How many books the reader has now; nobody borrows or returns in the reader's name
        until the work ends, so the number stays true."""

    @abstractmethod
    async def free_copy(self, book_id: UUID) -> int | None:
        """The lowest number of a copy nobody has, kept for this work until it ends.
        Raises the catalog's BookNotFound."""

    @abstractmethod
    async def add(self, loan: Loan) -> None:
        """Raises NoCopyAvailable when the copy is out, AlreadyBorrowed when the reader has
        the book: at once or at the end of the work."""

    @abstractmethod
    async def open_loan(self, user_id: UUID, book_id: UUID) -> Loan | None:
        """The reader's loan of the book, locked until the work ends.
        Raises the catalog's BookNotFound."""

    @abstractmethod
    async def has_on_loan(self, user_id: UUID, book_id: UUID) -> bool: ...

    @abstractmethod
    async def has_ever_borrowed(self, user_id: UUID, book_id: UUID) -> bool: ...

    @abstractmethod
    async def keep_mark(self, mark: bytes, book_id: UUID) -> None:
        """Keep the mark for as long as there is the book; once more changes nothing."""

    @abstractmethod
    async def has_mark(self, mark: bytes) -> bool: ...

    @abstractmethod
    async def hold_over(self, limit: int) -> Sequence[Loan]:
        """Loans that are over and still somebody's, `limit` at most, held until the work ends;
        those somebody else holds are passed over."""

    @abstractmethod
    async def of_reader(self, user_id: UUID, *, open: bool | None, page: PageRequest) -> Page[Loan]:
        """The reader's loans, the newest first: all, the open or the returned ones."""


class LendingWork(UnitOfWork):
    """Lock the reader before the book, everywhere: count_open before free_copy."""

    loans: LoanRepository

"""The library as it should be, in memory: what each request must be answered, and nothing else.

`Refusal` is the code of the problem a request must end in; the order of the checks is that in
which the library promises them: who asks, what is there, whose it is, what state it is in.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

RENEWALS = 2


class Refusal(Exception):
    """The request must be refused with this code."""


@dataclass(eq=False)
class Member:
    email: str
    id: str
    password: str
    role: str = "member"
    disabled: bool = False
    erased: bool = False

    @property
    def keeps_the_library(self) -> bool:
        return self.role != "member"


@dataclass(eq=False)
class Session:
    member: Member
    access: str
    refresh: str
    spent: list[str] = field(default_factory=list)
    alive: bool = True


@dataclass(eq=False)
class Opinion:
    id: str
    author: Member
    rating: int


@dataclass(eq=False)
class Shelved:
    id: str
    owner: Member
    copies: int
    version: int = 1
    there: bool = True
    renewals: dict[Member, int] = field(default_factory=dict)
    """Whoever has it now, and how often they renewed."""
    numbers: dict[Member, int] = field(default_factory=dict)
    """Which copy they have."""
    readers: set[Member] = field(default_factory=set)
    """Whoever has or had it, as far as that is remembered."""
    opinions: list[Opinion] = field(default_factory=list)

    @property
    def available(self) -> int:
        return self.copies - len(self.renewals)

    @property
    def rating(self) -> tuple[int, float | None]:
        stars = [opinion.rating for opinion in self.opinions]
        return len(stars), round(sum(stars) / len(stars), 2) if stars else None

    def lend_to(self, member: Member) -> None:
        taken = set(self.numbers.values())
        self.numbers[member] = next(n for n in range(1, self.copies + 1) if n not in taken)
        self.renewals[member] = 0
        self.readers.add(member)

    def take_back(self, member: Member) -> None:
        del self.renewals[member], self.numbers[member]


@dataclass
class LibraryModel:
    limit: int
    members: list[Member] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    books: list[Shelved] = field(default_factory=list)

    def actor(self, session: Session) -> Member:
        if not session.alive:
            raise Refusal("invalid_token")
        return session.member

    def end_sessions(self, member: Member, but: Session | None = None) -> None:
        for session in self.sessions:
            if session.member is member and session is not but:
                session.alive = False

    def refresh(self, session: Session, token: str) -> None:
        """A spent token that comes back ends the session."""
        if not session.alive:
            raise Refusal("invalid_token")
        if token in session.spent:
            session.alive = False
            raise Refusal("invalid_token")

    def erase(self, session: Session) -> Member:
        member = self.actor(session)
        if any(self.on_loan_to(member)):
            raise Refusal("open_loans")
        member.erased = True
        self.end_sessions(member)
        for book in self.books:
            book.readers.discard(member)
        return member

    def borrow(self, session: Session, book: Shelved) -> None:
        member = self._at(session, book)
        if member in book.renewals:
            raise Refusal("already_borrowed")
        if not book.available:
            raise Refusal("no_copy_available")
        if len(list(self.on_loan_to(member))) >= self.limit:
            raise Refusal("loan_limit_reached")
        book.lend_to(member)

    def give_back(self, session: Session, book: Shelved) -> None:
        book.take_back(self._borrower(session, book))

    def renew(self, session: Session, book: Shelved) -> None:
        member = self._borrower(session, book)
        if book.renewals[member] >= RENEWALS:
            raise Refusal("renewal_limit_reached")
        book.renewals[member] += 1

    def review(self, session: Session, book: Shelved) -> Member:
        member = self._at(session, book)
        if member not in book.readers:
            raise Refusal("not_borrowed")
        if any(opinion.author is member for opinion in book.opinions):
            raise Refusal("already_reviewed")
        return member

    def edit(self, session: Session, book: Shelved, opinion: Opinion, rating: int) -> None:
        member = self._about(session, book, opinion)
        if opinion.author is not member:
            raise Refusal("forbidden")
        opinion.rating = rating

    def withdraw_review(self, session: Session, book: Shelved, opinion: Opinion) -> None:
        member = self._about(session, book, opinion)
        if opinion.author is not member and not member.keeps_the_library:
            raise Refusal("forbidden")
        book.opinions.remove(opinion)

    def describe(self, session: Session, book: Shelved, copies: int, version: int | None) -> None:
        self._changeable(session, book)
        if version is not None and version != book.version:
            raise Refusal("precondition_failed")
        if any(number > copies for number in book.numbers.values()):
            raise Refusal("open_loans")
        book.copies = copies
        book.version += 1

    def withdraw(self, session: Session, book: Shelved) -> None:
        self._changeable(session, book)
        if book.renewals:
            raise Refusal("open_loans")
        book.there = False

    def forget_history(self, session: Session) -> None:
        member = self.actor(session)
        for book in self.books:
            if member not in book.renewals:
                book.readers.discard(member)

    def on_loan_to(self, member: Member) -> Iterator[Shelved]:
        return (book for book in self.books if book.there and member in book.renewals)

    def look(self, session: Session, book: Shelved) -> None:
        self._at(session, book)

    def _at(self, session: Session, book: Shelved) -> Member:
        member = self.actor(session)
        if not book.there:
            raise Refusal("book_not_found")
        return member

    def _borrower(self, session: Session, book: Shelved) -> Member:
        member = self._at(session, book)
        if member not in book.renewals:
            raise Refusal("not_borrowed")
        return member

    def _about(self, session: Session, book: Shelved, opinion: Opinion) -> Member:
        member = self._at(session, book)
        if opinion not in book.opinions:
            raise Refusal("review_not_found")
        return member

    def _changeable(self, session: Session, book: Shelved) -> None:
        member = self._at(session, book)
        if book.owner is not member and not member.keeps_the_library:
            raise Refusal("forbidden")

"""Asking the library and the model the same, and holding what they say against each other."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

from hypothesis.stateful import RuleBasedStateMachine

from benchmarks._serving import Answer
from benchmarks.campaigns._grounds import PASSWORD, Asking, Reader, asked, code_of, expected
from benchmarks.campaigns._library_model import (
    LibraryModel,
    Member,
    Opinion,
    Refusal,
    Session,
    Shelved,
)

LIMITS = (2, 4)
OTHER_PASSWORD = "another quiet place to read"
T = TypeVar("T")


class Divergence(AssertionError):
    """The library and the model do not say the same."""


@dataclass
class World:
    """Doors to one library, each with another lending limit, and the loop they live in."""

    runner: asyncio.Runner
    doors: Mapping[int, Asking]
    governor: Reader
    steps: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    names: Iterator[int] = field(default_factory=itertools.count)

    def wait(self, asking: Awaitable[T]) -> T:
        async def waited() -> T:
            return await asking

        return self.runner.run(waited())


class Compared(RuleBasedStateMachine):
    """A library and its model, with readers and books of this story alone."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.model = LibraryModel(limit=LIMITS[0])
        self.mark = uuid4().hex[:10]

    @property
    def _door(self) -> Asking:
        return self.world.doors[self.model.limit]

    def _ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        return self.world.wait(asked(self._door, method, path, body, headers))

    def _agrees(
        self,
        session: Session | None,
        method: str,
        path: str,
        status: int,
        must: Callable[[], object],
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer | None:
        """Ask the library, then the model; the answer, unless both refuse."""
        bearer = {"Authorization": f"Bearer {session.access}"} if session else {}
        answer = self._ask(method, path, body, **bearer, **(headers or {}))
        return self._judged(f"{method} {path}", answer, status, must)

    def _judged(
        self, what: str, answer: Answer, status: int, must: Callable[[], object]
    ) -> Answer | None:
        self.world.steps += 1
        self.world.answers[code_of(answer)] += 1
        try:
            must()
        except Refusal as refusal:
            self._same(what, code_of(answer), str(refusal))
            return None
        self._same(what, code_of(answer), str(status))
        return answer

    def _same(self, what: str, found: Any, must: Any) -> None:
        if found != must:
            raise Divergence(f"{what}: the library says {found}, the model {must}")

    def _same_book(self, shown: Mapping[str, Any], book: Shelved) -> None:
        count, average = book.rating
        rating = shown["rating"]["average"]
        found = (shown["copies"], shown["available"], shown["version"], shown["rating"]["count"])
        self._same("the book", found, (book.copies, book.available, book.version, count))
        self._same("its average", None if rating is None else round(rating, 2), average)

    def _sign_up(self) -> None:
        email = f"m{len(self.model.members)}-{self.mark}@library.test"
        words = {"email": email, "password": PASSWORD}
        made = expected(self._ask("POST", "/auth/signup", words), 201)
        again = self._ask("POST", "/auth/signup", words)
        self._same("the second of an address", code_of(again), "email_taken")
        member = Member(email, made["id"], PASSWORD)
        self.model.members.append(member)
        self._sign_in(member)

    def _sign_in(self, member: Member) -> None:
        words = {"email": member.email, "password": member.password}
        tokens = expected(self._ask("POST", "/auth/login", words), 200)
        self.world.steps += 1
        self.model.sessions.append(Session(member, tokens["access_token"], tokens["refresh_token"]))

    def _govern(self, member: Member, change: Mapping[str, object]) -> bool:
        path = f"/users/{member.id}"
        answer = self.world.wait(self.world.governor.ask("PATCH", path, change))
        must = "user_not_found" if member.erased else "200"
        self._same(f"PATCH {path}", code_of(answer), must)
        self.world.steps += 1
        return not member.erased

    def _session(self, number: int) -> Session:
        """One that is alive, or, one time in eight, the last that ended."""
        alive = [session for session in self.model.sessions if session.alive]
        ended = [session for session in self.model.sessions if not session.alive]
        if number == 7 and ended:
            return ended[-1]
        return self._of(alive, number) if alive else self._somebody_returns()

    def _somebody_returns(self) -> Session:
        able = [each for each in self.model.members if not (each.disabled or each.erased)]
        if able:
            self._sign_in(able[0])
        else:
            self._sign_up()
        return self.model.sessions[-1]

    def _both(self, which: int, book: int) -> tuple[Session, Shelved]:
        return self._session(which), self._book(book)

    def _at_hand(self, which: int, book: int) -> tuple[Session, Shelved]:
        """Mostly what the reader has on loan."""
        session, shelved = self._both(which, book)
        mine = list(self.model.on_loan_to(session.member))
        return session, self._of(mine, book) if mine and book < 6 else shelved

    def _book(self, number: int) -> Shelved:
        """One that is there, or the one that went last."""
        gone = [book for book in self.model.books if not book.there]
        return self._of([book for book in self.model.books if book.there] + gone[-1:], number)

    def _opinion(self, number: int) -> Opinion | None:
        """Of any book, so that some are looked for at the wrong one."""
        said = [opinion for book in self.model.books for opinion in book.opinions]
        return self._of(said, number) if said else None

    def _of(self, things: Sequence[T], number: int) -> T:
        return things[number % len(things)]

"""What a town does with its library: mostly reading, some lending, now and then signing in."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from benchmarks._serving import Answer
from benchmarks._shelves import fill, invented_text
from benchmarks.campaigns._grounds import PASSWORD, Asking, Grounds, Reader, asked, newcomers

_COPIES = 200
_WORDS = "lantern harbour orchard mirror glacier sparrow ember labyrinth meadow violin".split()
# Which answers belong to a deed; of any deed 401 is none of them.
_SHARES: Mapping[str, tuple[float, frozenset[int]]] = {
    "list": (20, frozenset([200])),
    "book": (22, frozenset([200, 304])),
    "search": (12, frozenset([200])),
    "recommendations": (6, frozenset([200])),
    "similar": (4, frozenset([200])),
    "summary": (6, frozenset([200])),
    "loans": (4, frozenset([200])),
    "download": (6, frozenset([200, 403])),
    "borrow": (5, frozenset([201, 409])),
    "return": (5, frozenset([200, 409])),
    "review": (2, frozenset([201, 403, 409])),
    "feedback": (3, frozenset([204])),
    "session": (5, frozenset([200])),
}
SETTINGS = {
    "JOBS_EMBEDDED": "true",
    "LENDING_LIMIT": "1000",
    "ACCOUNTS_TRIES_PER_ADDRESS": "0",
}


@dataclass(slots=True)
class Town:
    """Books that were invented and are only looked at, and some whose files are there."""

    grounds: Grounds
    invented: Sequence[str]
    lent: Sequence[str]
    readers: Sequence[Reader]
    signing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def bearer(self, reader: Reader) -> Mapping[str, str]:
        async with self.signing:
            return await reader.bearer()


async def built(grounds: Grounds, *, books: int, lent: int, readers: int, seed: int) -> Town:
    await fill(grounds.database, books=books, passages=2, seed=seed)
    invented = await _told(grounds.database)
    people = await newcomers(await grounds.connections(readers))
    say = random.Random(seed)
    shelved = [
        await people[n % readers].shelve(invented_text(say, 3_000).decode(), copies=_COPIES)
        for n in range(lent)
    ]
    return Town(grounds, invented, [str(each["id"]) for each in shelved], people)


async def _told(url: str) -> Sequence[str]:
    """The invented books, whose invented ratings nobody gave."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("DELETE FROM rating_stats")
        return [str(row[0]) for row in await connection.fetch("SELECT id FROM books ORDER BY id")]
    finally:
        await connection.close()


@dataclass(slots=True)
class Outcome:
    """Of requests: how many, how long each took, from when it was due, in seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    deeds: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    refused_politely: int = 0
    took: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.seconds) / self.took if self.took else 0.0


class Visitor:
    """One connection, and somebody at it."""

    def __init__(self, town: Town, door: Asking, number: int, seed: object) -> None:
        self._town = town
        self._door = door
        self._reader = town.readers[number % len(town.readers)]
        self._dice = random.Random(f"{seed} {number}")
        self._refresh = ""
        self._shown: tuple[str, str] | None = None

    async def visit(self, outcome: Outcome, *, crowded: bool = False) -> None:
        """Do one deed. `crowded`: to be refused for a while is an answer too."""
        deeds, shares = list(_SHARES), [share for share, _ in _SHARES.values()]
        [deed] = self._dice.choices(deeds, shares)
        try:
            answer = await self._do(deed)
        except (OSError, EOFError, TimeoutError) as error:
            outcome.wrong.append(f"{deed}: no answer: {error!r}")
            return
        outcome.deeds[deed] += 1
        outcome.statuses[answer.status] += 1
        if answer.status in (429, 503) and b"\r\nretry-after: " in answer.head and crowded:
            outcome.refused_politely += 1
        elif answer.status not in _SHARES[deed][1]:
            outcome.wrong.append(f"{deed}: {answer.status} {answer.body[:200]!r}")

    async def _do(self, deed: str) -> Answer:
        book = self._dice.choice(self._town.lent)
        seen = self._dice.choice([*self._town.invented[:500], *self._town.lent])
        match deed:
            case "list":
                sort = self._dice.choice(["title", "-created_at", "author", "-rating"])
                return await self._ask("GET", f"/books?limit=20&sort={sort}")
            case "search":
                return await self._ask("GET", f"/books?limit=10&q={self._dice.choice(_WORDS)}")
            case "book":
                return await self._ask("GET", f"/books/{seen}")
            case "similar":
                return await self._ask("GET", f"/books/{seen}/similar")
            case "summary":
                return await self._ask("GET", f"/books/{book}/summary")
            case "loans":
                return await self._ask("GET", "/users/me/loans")
            case "recommendations":
                return self._noted(await self._ask("GET", "/recommendations?limit=10"))
            case "download":
                return await self._ask("GET", f"/books/{book}/content")
            case "borrow" | "return":
                return await self._ask("POST", f"/books/{book}/{deed}")
            case "review":
                said = {"rating": self._dice.randint(1, 5), "text": "The plot was good."}
                return await self._ask("POST", f"/books/{book}/reviews", said)
            case "feedback":
                return await self._feedback()
            case _:
                return await self._session()

    async def _feedback(self) -> Answer:
        if self._shown is None:
            answer = self._noted(await self._ask("GET", "/recommendations?limit=10"))
            if self._shown is None:
                return answer if answer.status != 200 else Answer(204, b"")
        (shown, book), self._shown = self._shown, None
        said = {"book_id": book, "action": "click"}
        return await self._ask("POST", f"/recommendations/{shown}/feedback", said)

    def _noted(self, answer: Answer) -> Answer:
        if answer.status == 200:
            found = json.loads(answer.body)
            books = [item["book"]["id"] for item in found["items"]]
            self._shown = (found["recommendation_id"], books[0]) if books else None
        return answer

    async def _session(self) -> Answer:
        """Sign in, and next time refresh what that gave."""
        if self._refresh:
            said, path = {"refresh_token": self._refresh}, "/auth/refresh"
        else:
            said, path = {"email": self._reader.email, "password": PASSWORD}, "/auth/login"
        answer = await asked(self._door, "POST", path, said)
        kept = answer.status == 200 and path == "/auth/login"
        self._refresh = answer.json()["refresh_token"] if kept else ""
        return answer

    async def _ask(self, method: str, path: str, body: Any = None) -> Answer:
        return await asked(self._door, method, path, body, await self._town.bearer(self._reader))


async def closed_loop(visitors: Sequence[Visitor], seconds: float) -> Outcome:
    """Everybody asks again as soon as they were answered, for so long."""
    outcome, began = Outcome(), time.perf_counter()

    async def go_on(visitor: Visitor) -> None:
        while (at := time.perf_counter()) < began + seconds:
            await visitor.visit(outcome)
            outcome.seconds.append(time.perf_counter() - at)

    await asyncio.gather(*map(go_on, visitors))
    outcome.took = time.perf_counter() - began
    return outcome


async def open_loop(
    visitors: Sequence[Visitor], rate: float, count: int, *, ends: float, crowded: bool = False
) -> Outcome:
    """So many requests, `rate` of them due every second whether or not others were answered,
    until `ends` on the monotonic clock; who finds no visitor free waits, and that counts."""
    outcome, began = Outcome(), time.perf_counter()
    numbers = iter(range(count))

    async def go_on(visitor: Visitor) -> None:
        for number in numbers:
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if time.monotonic() > ends:
                return
            await visitor.visit(outcome, crowded=crowded)
            outcome.seconds.append(time.perf_counter() - due)

    await asyncio.gather(*map(go_on, visitors))
    outcome.took = time.perf_counter() - began
    return outcome

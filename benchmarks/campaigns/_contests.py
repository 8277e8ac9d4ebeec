"""Contests: many requests let go at the same moment, of which one, or so many, may win."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg

from benchmarks._serving import Answer
from benchmarks.campaigns._grounds import (
    Asking,
    Grounds,
    Reader,
    asked,
    code_of,
    expected,
    newcomers,
)

CROWD = 50
LIMIT = 10
RENEWALS = 2
_BORROWED = "SELECT count(*) FROM loans WHERE book_id = $1 AND returned_at IS NULL"
_SENTENCES = {"rating": 4, "text": "The keeper is kind, and the sea is loud."}


@dataclass(frozen=True, slots=True)
class Request:
    reader: Reader
    method: str
    path: str
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Arena:
    """A crowd of readers, each with a connection, and somebody whose books they are."""

    grounds: Grounds
    doors: Sequence[Asking]
    readers: Sequence[Reader]
    owner: Reader
    dice: random.Random
    shelved: int = 0
    statuses: Counter[int] = field(default_factory=Counter)

    async def at_once(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers in the order of the requests, which come in by doors drawn anew."""
        bearers = [await request.reader.bearer() for request in requests]
        doors = self.dice.sample(list(self.doors), len(requests))
        start = asyncio.Event()

        async def ask(request: Request, bearer: Mapping[str, str], door: Asking) -> Answer:
            await start.wait()
            headers = {**bearer, **request.headers}
            return await asked(door, request.method, request.path, request.body, headers)

        asking = [
            asyncio.create_task(ask(*each)) for each in zip(requests, bearers, doors, strict=True)
        ]
        await asyncio.sleep(0)
        start.set()
        answers = await asyncio.gather(*asking)
        self.statuses.update(answer.status for answer in answers)
        return answers

    async def new_book(self, copies: int = 1) -> str:
        """The path of a book nobody has."""
        shelved = await self.owner.shelve(self.new_text(), copies=copies)
        return f"/books/{shelved['id']}"

    def new_text(self) -> str:
        self.shelved += 1
        return f"Book {self.shelved} of {self.owner.email}. The keeper reads it every night."

    async def on_loan(self, book: str) -> int:
        """How many have the book by what the database says, whatever was answered."""
        connection = await asyncpg.connect(self.grounds.database)
        try:
            return int(await connection.fetchval(_BORROWED, book.removeprefix("/books/")))
        finally:
            await connection.close()

    async def give_back(self, book: str, answers: Sequence[Answer]) -> None:
        """Return what these requests, one a reader, borrowed."""
        for reader, answer in zip(self.readers, answers, strict=False):
            if answer.status == 201:
                expected(await reader.ask("POST", f"{book}/return"), 200)


async def crowded(grounds: Grounds, seed: int) -> Arena:
    doors = await grounds.connections(CROWD)
    (owner,) = await newcomers(doors[:1], "owner")
    return Arena(grounds, doors, await newcomers(doors), owner, random.Random(seed))


@dataclass(frozen=True, slots=True)
class Contest:
    """`play` is one round, of that number: it tells what went otherwise than it must."""

    what: str
    full: int
    passes: str
    play: Callable[[Arena, int], Awaitable[list[str]]]


async def one_copy(arena: Arena, number: int) -> list[str]:
    book = await arena.new_book()
    answers = await arena.at_once([Request(r, "POST", f"{book}/borrow") for r in arena.readers])
    wrong = _unlike(answers, {"201": 1, "no_copy_available": CROWD - 1})
    wrong += _unequal("on loan", await arena.on_loan(book), 1)
    await arena.give_back(book, answers)
    return wrong


async def the_last_place(arena: Arena, number: int) -> list[str]:
    reader = arena.readers[number % CROWD]
    books = [await arena.new_book() for _ in range(2 * LIMIT)]
    answers = await arena.at_once([Request(reader, "POST", f"{book}/borrow") for book in books])
    wrong = _unlike(answers, {"201": LIMIT, "loan_limit_reached": LIMIT})
    for book, answer in zip(books, answers, strict=True):
        if answer.status == 201:
            expected(await reader.ask("POST", f"{book}/return"), 200)
    return wrong


async def renewals(arena: Arena, number: int) -> list[str]:
    book, reader = await _lent(arena, number)
    answers = await arena.at_once([Request(reader, "POST", f"{book}/renew")] * CROWD)
    wrong = _unlike(answers, {"200": RENEWALS, "renewal_limit_reached": CROWD - RENEWALS})
    expected(await reader.ask("POST", f"{book}/return"), 200)
    return wrong


async def returns(arena: Arena, number: int) -> list[str]:
    book, reader = await _lent(arena, number)
    answers = await arena.at_once([Request(reader, "POST", f"{book}/return")] * CROWD)
    wrong = _unlike(answers, {"200": 1, "not_borrowed": CROWD - 1})
    return wrong + _unequal("on loan", await arena.on_loan(book), 0)


async def reviews(arena: Arena, number: int) -> list[str]:
    book, reader = await _lent(arena, number)
    send = Request(reader, "POST", f"{book}/reviews", _SENTENCES)
    wrong = _unlike(await arena.at_once([send] * CROWD), {"201": 1, "already_reviewed": CROWD - 1})
    rating = expected(await reader.ask("GET", book), 200)["rating"]
    expected(await reader.ask("POST", f"{book}/return"), 200)
    return wrong + _unequal("rated", (rating["count"], rating["average"]), (1, 4.0))


async def deletion(arena: Arena, number: int) -> list[str]:
    book = await arena.new_book(copies=3)
    gone = Request(arena.owner, "DELETE", book)
    asking = [Request(reader, "POST", f"{book}/borrow") for reader in arena.readers[1:]]
    place = arena.dice.randrange(min(8, CROWD))
    answers = await arena.at_once([*asking[:place], gone, *asking[place:]])
    verdict = answers.pop(place)
    if verdict.status == 204:
        return _unlike(answers, {"book_not_found": CROWD - 1})
    wrong = _unlike(answers, {"201": 3, "no_copy_available": CROWD - 4})
    wrong += _unequal("the deletion", code_of(verdict), "open_loans")
    for reader, answer in zip(arena.readers[1:], answers, strict=True):
        if answer.status == 201:
            expected(await reader.ask("POST", f"{book}/return"), 200)
    return wrong


async def same_file(arena: Arena, number: int) -> list[str]:
    text = arena.new_text()
    start = asyncio.Event()

    async def upload(reader: Reader) -> Answer:
        headers, body = await reader.upload(text)
        await start.wait()
        return await reader.door.ask("POST", "/books", headers, body)

    sending = [asyncio.create_task(upload(reader)) for reader in arena.readers]
    await asyncio.sleep(0)
    start.set()
    answers = await asyncio.gather(*sending)
    arena.statuses.update(answer.status for answer in answers)
    wrong = _unlike(answers, {"202": 1, "duplicate_content": CROWD - 1})
    named = {a.json().get("id" if a.status == 202 else "book_id") for a in answers}
    return wrong + _unequal("books named", len(named), 1)


async def one_key(arena: Arena, number: int) -> list[str]:
    """One key, one request, fifty times: one effect, and one answer for whoever gets one."""
    reader, key = arena.readers[number % CROWD], {"Idempotency-Key": f"key-{number}"}
    book = await arena.new_book(copies=CROWD)
    borrow = Request(reader, "POST", f"{book}/borrow", headers=key)
    wrong = await _once(arena, borrow)
    wrong += _unequal("on loan", await arena.on_loan(book), 1)
    wrong += await _once(arena, Request(reader, "POST", f"{book}/reviews", _SENTENCES, key))
    rating = expected(await reader.ask("GET", book), 200)["rating"]
    expected(await reader.ask("POST", f"{book}/return"), 200)
    return wrong + _unequal("reviews", rating["count"], 1)


async def one_version(arena: Arena, number: int) -> list[str]:
    book = await arena.new_book()
    version = {"If-Match": '"1"'}
    edits = [
        Request(arena.owner, "PUT", book, {"title": f"Title {n}"}, version) for n in range(CROWD)
    ]
    answers = await arena.at_once(edits)
    wrong = _unlike(answers, {"200": 1, "precondition_failed": CROWD - 1})
    after = expected(await arena.owner.ask("GET", book), 200)
    winners = [a.json()["title"] for a in answers if a.status == 200]
    return wrong + _unequal("kept", ([after["title"]], after["version"]), (winners, 2))


async def free_for_all(arena: Arena, number: int) -> list[str]:
    """Nobody waits for anybody: fifty readers do what they like with three books."""
    books = [await arena.new_book(copies=copies) for copies in (1, 2, 5)]
    drawn = [_whim(arena, arena.readers[n % CROWD], books) for n in range(4 * CROWD)]
    answers: list[Answer] = []
    for first in range(0, len(drawn), CROWD):
        answers += await arena.at_once(drawn[first : first + CROWD])
    wrong = [f"{code_of(a)}: {a.body[:200]!r}" for a in answers if a.status >= 500]
    for reader in arena.readers:
        for book in books:
            await reader.ask("POST", f"{book}/return")
    for book in books:
        wrong += _unequal("on loan", await arena.on_loan(book), 0)
    return wrong


def _whim(arena: Arena, reader: Reader, books: Sequence[str]) -> Request:
    book = arena.dice.choice(books)
    match arena.dice.randrange(10):
        case 0 | 1 | 2 | 3:
            return Request(reader, "POST", f"{book}/borrow")
        case 4 | 5:
            return Request(reader, "POST", f"{book}/return")
        case 6:
            return Request(reader, "POST", f"{book}/renew")
        case 7:
            stars = arena.dice.randint(1, 5)
            return Request(reader, "POST", f"{book}/reviews", {**_SENTENCES, "rating": stars})
        case 8:
            return Request(arena.owner, "PUT", book, {"copies": arena.dice.randint(1, 6)})
        case _:
            return Request(reader, "GET", book)


async def _lent(arena: Arena, number: int) -> tuple[str, Reader]:
    book, reader = await arena.new_book(), arena.readers[number % CROWD]
    expected(await reader.ask("POST", f"{book}/borrow"), 201)
    return book, reader


async def _once(arena: Arena, request: Request) -> list[str]:
    answers = await arena.at_once([request] * CROWD)
    answers.append(
        await request.reader.ask(request.method, request.path, request.body, **request.headers)
    )
    codes = {code_of(answer) for answer in answers}
    wrong = _unequal("outcomes", codes - {"idempotency_conflict"}, {"201"})
    bodies = {answer.body for answer in answers if answer.status == 201}
    wrong += _unequal("the answer of the key afterwards", answers[-1].status, 201)
    return wrong + _unequal("different answers", len(bodies), 1)


def _unlike(answers: Sequence[Answer], must: Mapping[str, int]) -> list[str]:
    found = Counter(code_of(answer) for answer in answers)
    return [] if found == Counter(must) else [f"{dict(found)} instead of {dict(must)}"]


def _unequal(what: str, found: object, must: object) -> list[str]:
    return [] if found == must else [f"{what}: {found} instead of {must}"]


CONTESTS = (
    Contest("one copy, 50 borrowers", 2_000, "one 201, 49 × 409", one_copy),
    Contest("20 books at once, limit of 10", 100, "ten 201, ten 409", the_last_place),
    Contest("one loan renewed 50 times", 200, "two 200, 48 × 409", renewals),
    Contest("one loan returned 50 times", 200, "one 200, 49 × 409", returns),
    Contest("one reader reviews 50 times", 200, "one 201, 49 × 409, sums exact", reviews),
    Contest("deletion among 49 borrowers", 300, "deleted, or on loan; never both", deletion),
    Contest("one file uploaded by 50", 200, "one 202, 49 × 409 that name it", same_file),
    Contest("one Idempotency-Key 50 times", 200, "one effect, one answer", one_key),
    Contest("one version changed 50 times", 500, "one 200, 49 × 412", one_version),
    Contest("200 whims of 50 readers", 200, "0 5xx, all can be returned", free_for_all),
)

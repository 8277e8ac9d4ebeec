"""Readers who insist: whatever is killed meanwhile, they ask again until they have an answer,
and write down outside of the library what they were told."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from benchmarks.campaigns._grounds import PASSWORD

_TRIES = 600
_WORDS = "lamp storm keeper harbour letter winter ship island key garden bell road".split()


@dataclass
class Ledger:
    """Everything acknowledged: the hash of each book's text, loans (whether returned), reviews
    with what they say, and jobs asked for by name."""

    books: dict[str, str] = field(default_factory=dict)
    loans: dict[str, bool] = field(default_factory=dict)
    reviews: dict[str, tuple[int, str]] = field(default_factory=dict)
    jobs: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    refused: int = 0
    broken_off: int = 0


class Patron:
    def __init__(
        self, client: httpx.AsyncClient, name: str, dice: random.Random, ledger: Ledger
    ) -> None:
        self._client = client
        self._who = {"email": f"{name}@library.test", "password": PASSWORD}
        self._dice = dice
        self._ledger = ledger
        self._headers: dict[str, str] = {}
        self.wants = asyncio.Event()
        self.wants.set()

    async def sign_up(self) -> None:
        (await self._client.post("/auth/signup", json=self._who)).raise_for_status()
        await self._sign_in()

    async def keep_busy(self, shared: list[str]) -> None:
        """Bring books, read and review what others brought; stops between two visits."""
        while self.wants.is_set():
            if len(shared) < 3 or self._dice.random() < 0.5:
                shared.append(await self._bring())
            await self._read(self._dice.choice(shared[-20:]))

    async def _bring(self) -> str:
        text = f"{uuid4()}. {_sentences(self._dice)}"
        form = {"file": ("book.txt", text.encode()), "copies": (None, "50")}
        status, told, again = await self._insist("POST", "/books", files=form)
        if status == 409 and told["code"] == "duplicate_content":
            self._only_if(again, "a book nobody had brought was there")
            told = {"id": told["book_id"]}
        elif status != 202:
            self._fault("upload", status, told)
        self._ledger.books[told["id"]] = text
        return str(told["id"])

    async def _read(self, book: str) -> None:
        loan = await self._borrow(book)
        if loan is None:
            return
        await self._review(book)
        for _ in range(self._dice.randint(0, 3)):
            await self._ask_for_summary(book)
        status, told, again = await self._insist("POST", f"/books/{book}/return")
        if status == 409:
            self._only_if(again, "a loan was returned by nobody")
        elif status != 200:
            self._fault("return", status, told)
        self._ledger.loans[loan] = True

    async def _borrow(self, book: str) -> str | None:
        status, told, again = await self._insist("POST", f"/books/{book}/borrow")
        if status == 409 and told["code"] == "already_borrowed":
            self._only_if(again, "a book was lent without being asked for")
            _, loans, _ = await self._insist("GET", "/users/me/loans?open=true&limit=100")
            told = next(loan for loan in loans["items"] if loan["book_id"] == book)
        elif status != 201:
            self._fault("borrow", status, told)
            return None
        self._ledger.loans[told["id"]] = False
        return str(told["id"])

    async def _review(self, book: str) -> None:
        rating, text = self._dice.randint(1, 5), _sentences(self._dice)[:400]
        said = {"rating": rating, "text": text}
        status, told, _ = await self._insist("POST", f"/books/{book}/reviews", json=said)
        if status == 201:
            self._ledger.reviews[told["id"]] = (rating, text)
        elif (status, told.get("code")) == (409, "already_reviewed"):
            # Of an earlier visit, or of this one, whose answer was lost.
            await self._find_review(book, rating, text)
        else:
            self._fault("review", status, told)

    async def _find_review(self, book: str, rating: int, text: str) -> None:
        _, found, _ = await self._insist("GET", f"/books/{book}/reviews?limit=100")
        for each in found["items"]:
            if each["text"] == text:
                self._ledger.reviews[each["id"]] = (rating, text)

    async def _ask_for_summary(self, book: str) -> None:
        status, told, _ = await self._insist("POST", "/generate-summary", json={"book_id": book})
        if status == 202:
            self._ledger.jobs.add(told["job_id"])
        elif status != 200:
            self._fault("summary", status, told)

    async def _insist(
        self, method: str, path: str, **body: Any
    ) -> tuple[int, dict[str, Any], bool]:
        """Status and document of the first answer that is one, and whether it took several."""
        for attempt in range(_TRIES):
            try:
                answer = await self._client.request(method, path, headers=self._headers, **body)
            except httpx.TransportError:
                self._ledger.broken_off += 1
            else:
                if answer.status_code == 401:
                    await self._sign_in()
                elif answer.status_code == 503:
                    self._ledger.refused += 1
                else:
                    if answer.status_code >= 500:
                        self._fault(f"{method} {path}", answer.status_code, answer.text)
                    return answer.status_code, dict(answer.json()), attempt > 0
            await asyncio.sleep(self._dice.uniform(0.05, 0.2))
        raise TimeoutError(f"{method} {path}: nobody answered {_TRIES} times")

    async def _sign_in(self) -> None:
        for _ in range(_TRIES):
            try:
                answer = await self._client.post("/auth/login", json=self._who)
                if answer.is_success:
                    token = answer.json()["access_token"]
                    self._headers = {"Authorization": f"Bearer {token}"}
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
        raise TimeoutError("nobody could sign in")

    def _only_if(self, again: bool, otherwise: str) -> None:
        if not again:
            self._ledger.faults.append(otherwise)

    def _fault(self, what: str, status: int, told: object) -> None:
        self._ledger.faults.append(f"{what}: {status} {str(told)[:200]}")


def _sentences(dice: random.Random) -> str:
    return " ".join(f"The {' of the '.join(dice.sample(_WORDS, 3))} was good." for _ in range(6))

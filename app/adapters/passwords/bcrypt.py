"""Passwords hashed by passlib: SHA-256, then bcrypt, so that nothing is cut at 72 bytes."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TypeVar

from passlib.context import CryptContext
from typing_extensions import override

from app.domains.accounts.ports import PasswordHasher, Verdict
from app.shared.errors import Unavailable

Answer = TypeVar("Answer")


class HasherBusy(Unavailable):
    title = "Too many are signing in at this moment"


class BcryptHasher(PasswordHasher):
    """Hashes in threads of its own; at most `waiting` calls wait for one of them."""

    def __init__(self, *, rounds: int = 12, threads: int = 2, waiting: int = 64) -> None:
        self._context = CryptContext(
            schemes=["bcrypt_sha256", "bcrypt"],
            deprecated=["bcrypt"],
            bcrypt_sha256__rounds=rounds,
            bcrypt__rounds=rounds,
        )
        # Well-formed, and the hash of nothing anybody will find.
        self._nobody = f"$bcrypt-sha256$v=2,t=2b,r={rounds}${'.' * 22}${'.' * 31}"
        self._pool = ThreadPoolExecutor(threads, "passwords")
        self._places = BoundedSemaphore(threads + waiting)

    @override
    async def hash(self, password: str) -> str:
        return await self._run(lambda: self._context.hash(password))

    @override
    async def verify(self, password: str, kept: str | None) -> Verdict:
        return await self._run(lambda: self._verdict(password, kept))

    async def self_test(self) -> None:
        """Raises RuntimeError unless passwords that differ in byte 73 only are told apart;
        run it at the start: not every pair of versions of passlib and bcrypt works."""
        if not await self._run(self._works):
            raise RuntimeError("passlib and bcrypt do not work together")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _verdict(self, password: str, kept: str | None) -> Verdict:
        right, renewed = self._context.verify_and_update(password, kept or self._nobody)
        return Verdict(right and kept is not None, renewed if right else None)

    def _works(self) -> bool:
        quick = self._context.using(bcrypt_sha256__rounds=4)
        kept = quick.hash("a" * 72 + "b")
        return quick.verify("a" * 72 + "b", kept) and not quick.verify("a" * 72 + "c", kept)

    async def _run(self, work: Callable[[], Answer]) -> Answer:
        if not self._places.acquire(blocking=False):
            raise HasherBusy(retry_after=2)
        future = self._pool.submit(work)
        future.add_done_callback(self._leave)
        return await asyncio.wrap_future(future)

    def _leave(self, _: Future[Answer]) -> None:
        self._places.release()

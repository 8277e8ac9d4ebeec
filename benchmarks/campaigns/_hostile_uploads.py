"""The same files the way a reader sends them: upload, job, and what the book says then."""

import asyncio
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from benchmarks.campaigns._campaign import Plan, Tally
from benchmarks.campaigns._children import readers_of
from benchmarks.campaigns._hostile_samples import REASONS, hostile_file
from tests.integration.server import LibraryServer, home_of_a_library

_PASSES = "each is refused, read or failed with a reason, and nobody but its child dies"
_ANSWERS = {202, 409, 413, 415, 422}
_ENDED = ("ready", "failed", "cancelled")
_AT_ONCE = 4
_PATIENCE = 900.0
_TOKEN_SECONDS = 600
_WHO = {"email": "ann@library.test", "password": "a quiet place to read"}


async def uploaded(plan: Plan, planned: int) -> Tally:
    """Send so many to a server in a process of its own, with its worker and its database."""
    tally = Tally("files through upload and worker", planned, _PASSES)
    with home_of_a_library() as home:
        scratch = home / "scratch"
        scratch.mkdir(mode=0o777)
        server = await asyncio.to_thread(_served, home, scratch)
        try:
            async with httpx.AsyncClient(
                base_url=server.url, trust_env=False, timeout=60
            ) as client:
                await _attack(plan, tally, client)
                tally.hold(server.is_running, "the server died")
                tally.hold((await client.get("/healthz")).is_success, "the server is not well")
            await asyncio.to_thread(server.stop)
            tally.hold(not os.listdir(scratch), "files were left in the temporary folder")
            tally.hold(not readers_of(server.pid), "reading processes were left behind")
        finally:
            server.kill()
    tally.failures[:] = [f"seed {plan.seed}, {failure}" for failure in tally.failures]
    return tally


def _served(home: Path, scratch: Path) -> LibraryServer:
    calm = {"JOBS_HEARTBEAT": "2", "JOBS_STALLED_AFTER": "30", "TMPDIR": str(scratch)}
    return LibraryServer(home, settings=calm)


async def _attack(plan: Plan, tally: Tally, client: httpx.AsyncClient) -> None:
    ann = _Reader(client)
    await ann.sign_up()
    books: dict[str, str] = {}
    endings: Counter[str] = Counter()
    rounds = plan.rounds(tally)

    async def go_on() -> None:
        for number in rounds:
            # From the far end, so that these are not the files the child has seen already.
            sample = hostile_file(plan.seed, -1 - number)
            form = {"file": (sample.filename, sample.data)}
            answer = await client.post("/books", files=form, headers=await ann.headers())
            endings[str(answer.status_code)] += 1
            tally.hold(answer.status_code in _ANSWERS, f"{sample.made}: {answer.status_code}")
            if answer.status_code == 202:
                books[answer.json()["id"]] = sample.made

    await asyncio.gather(*(go_on() for _ in range(_AT_ONCE)))
    for book_id, made in books.items():
        await _follow(ann, book_id, made, tally, endings)
    tally.figures["endings"] = ", ".join(f"{n} {kind}" for kind, n in endings.most_common())


async def _follow(
    ann: "_Reader", book_id: str, made: str, tally: Tally, endings: Counter[str]
) -> None:
    try:
        book = await ann.sees_the_end_of(f"/books/{book_id}")
        summary = await ann.sees_the_end_of(f"/books/{book_id}/summary")
    except TimeoutError:
        tally.failures.append(f"{made}: it never came to an end")
        return
    reading = book["ingestion"]
    error = reading.get("error") or {}
    endings[f"book {error.get('code', reading['status'])}"] += 1
    if reading["status"] == "ready":
        tally.hold(book["content"]["words"], f"{made}: ready without a word")
        tally.hold(summary["status"] == "ready", f"{made}: its summary is {summary['status']}")
    else:
        said = error.get("code") in REASONS and error.get("detail")
        tally.hold(said, f"{made}: failed with {error}")


class _Reader:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._signed_in_at = float("-inf")
        self._headers: dict[str, str] = {}

    async def sign_up(self) -> None:
        (await self._client.post("/auth/signup", json=_WHO)).raise_for_status()

    async def headers(self) -> dict[str, str]:
        # A token is good for 15 minutes; the campaign may take longer.
        if time.monotonic() - self._signed_in_at > _TOKEN_SECONDS:
            answer = await self._client.post("/auth/login", json=_WHO)
            token = answer.raise_for_status().json()["access_token"]
            self._headers = {"Authorization": f"Bearer {token}"}
            self._signed_in_at = time.monotonic()
        return self._headers

    async def sees_the_end_of(self, path: str) -> dict[str, Any]:
        """The book or summary, once nobody is at work on it. Raises TimeoutError."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                answer = await self._client.get(path, headers=await self.headers())
                told = dict(answer.raise_for_status().json())
                if told.get("ingestion", told)["status"] in _ENDED:
                    return told
                await asyncio.sleep(0.1)

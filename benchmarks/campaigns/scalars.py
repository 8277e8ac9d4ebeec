"""Scalars: hostile values in every parameter of every route, as a member and as an admin.

Values, routes and what counts as a fault are those of `tests/api/test_hostile_input.py`; here
every parameter meets every value.
"""

import random
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import httpx

from app.bootstrap.library import Library
from app.domains.accounts.model import Role
from benchmarks.campaigns._campaign import Plan, Tally
from benchmarks.campaigns._grounds import PASSWORD, database
from tests.api.test_hostile_input import (
    CANARY,
    EXAMPLES,
    FORM,
    FRAGMENTS,
    HEADERS,
    JSON,
    QUERIES,
    SCALARS,
    Adversary,
    Operation,
    encoded,
    operations_of,
    part,
    places_in,
    with_fragment,
)
from tests.library import api_of, client_of, opened_library, settings_for_tests

ROLES = ("member", "admin")
_FIELDS = "title author genre genres year_published isbn language tags description copies more"
_LONG = CANARY + "x" * 50_000


@dataclass(frozen=True, slots=True)
class Case:
    role: str
    operation: Operation
    name: Any
    value: Any


Cases = Callable[[str, Operation], Iterator[Case]]
Sending = Callable[[Adversary, Case], Awaitable[int]]


async def run(plan: Plan, server_url: str | None = None) -> Sequence[Tally]:
    async with AsyncExitStack() as stack:
        url = stack.enter_context(database(server_url))
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        opened = opened_library(settings_for_tests(url, home))
        library = await stack.enter_async_context(opened)
        api = await stack.enter_async_context(client_of(api_of(library)))
        adversary = await _adversary(api, library)
        return [await _tried(plan, adversary, place, *how) for place, how in PLACES.items()]


async def _tried(
    plan: Plan, adversary: Adversary, place: str, cases: Cases, send: Sending
) -> Tally:
    drawn = [
        case
        for role, operation in product(ROLES, adversary.operations)
        for case in cases(role, operation)
    ]
    random.Random(f"{plan.seed} {place}").shuffle(drawn)
    tally = Tally(f"values in {place}", plan.count(len(drawn)), "0 5xx; each 4xx a problem")
    statuses: Counter[int] = Counter()
    for number in plan.rounds(tally):
        case, known = drawn[number], len(adversary.faults)
        status = await send(adversary, case)
        statuses[status] += 1
        if case.operation.name == "sign_out" and status == 204:
            adversary.actors["leaver"] = await _signed_in(adversary.api, "leaver")
        told = f"seed {plan.seed}, {number}, {case.role}: {case.operation.name} {case.name}"
        tally.hold(status < 500, f"{told}: {status} for {case.value!r:.200}")
        for fault in adversary.faults[known:]:
            tally.hold(False, f"{told}: {fault}")
    kinds = Counter({f"{status // 100}xx": 0 for status in statuses})
    for status, count in statuses.items():
        kinds[f"{status // 100}xx"] += count
    tally.figures = {kind: f"{count:,}" for kind, count in sorted(kinds.items())}
    return tally


def _in_paths(role: str, operation: Operation) -> Iterator[Case]:
    for name, value in product(operation.parameters("path"), SCALARS):
        yield Case(role, operation, name, value)


async def _send_path(adversary: Adversary, case: Case) -> int:
    path = adversary.path(case.operation, **{case.name: encoded(case.value) or "%00"})
    return await adversary.send(case.operation, path, actor=_actor(case))


def _in_queries(role: str, operation: Operation) -> Iterator[Case]:
    for name in operation.parameters("query"):
        values = [*map(encoded, SCALARS), encoded(_LONG), *(q.format(name) for q in QUERIES)]
        yield from (Case(role, operation, name, value) for value in values)


async def _send_query(adversary: Adversary, case: Case) -> int:
    path = f"{adversary.path(case.operation)}?{case.name}={case.value}"
    return await adversary.send(case.operation, path, actor=_actor(case))


def _in_bodies(role: str, operation: Operation) -> Iterator[Case]:
    if not operation.takes(JSON):
        return
    example = EXAMPLES[operation.name]
    places = dict.fromkeys([*places_in(example), *((name,) for name in operation.fields)])
    for place, fragment in product(places, FRAGMENTS):
        yield Case(role, operation, place, fragment)


async def _send_body(adversary: Adversary, case: Case) -> int:
    body = with_fragment(EXAMPLES[case.operation.name], case.name, case.value)
    path, headers = adversary.path(case.operation), {"content-type": JSON}
    return await adversary.send(case.operation, path, body, headers=headers, actor=_actor(case))


def _in_headers(role: str, operation: Operation) -> Iterator[Case]:
    # Taking one away would leave nothing to be asked for.
    if operation.method != "DELETE" and operation.name != "sign_out":
        for name, values in HEADERS.items():
            yield from (Case(role, operation, name, value) for value in values)


async def _send_header(adversary: Adversary, case: Case) -> int:
    headers = {"content-type": JSON, case.name: case.value}
    path = adversary.path(case.operation)
    return await adversary.send(case.operation, path, b"{", headers=headers, actor=_actor(case))


def _in_forms(role: str, operation: Operation) -> Iterator[Case]:
    if operation.takes("multipart/form-data"):
        for name, value in product(_FIELDS.split(), SCALARS):
            yield Case(role, operation, name, value)


async def _send_form(adversary: Adversary, case: Case) -> int:
    file = part('name="file"; filename="a.txt"', "The keeper reads. " * 20)
    body = part(f'name="{case.name}"', case.value) + file + b"--b--\r\n"
    path, headers = adversary.path(case.operation), {"content-type": FORM}
    return await adversary.send(case.operation, path, body, headers=headers, actor=_actor(case))


PLACES: dict[str, tuple[Cases, Sending]] = {
    "paths": (_in_paths, _send_path),
    "queries": (_in_queries, _send_query),
    "JSON bodies": (_in_bodies, _send_body),
    "headers": (_in_headers, _send_header),
    "forms": (_in_forms, _send_form),
}


def _actor(case: Case) -> str:
    if not case.operation.private:
        return "anonymous"
    return "leaver" if case.operation.name == "sign_out" else case.role


async def _adversary(api: httpx.AsyncClient, library: Library) -> Adversary:
    """The routes, somebody of each role, and things of theirs to ask for."""
    actors = {name: await _signed_in(api, name, new=True) for name in ("member", "admin", "leaver")}
    victim = await _signed_in(api, "victim", new=True)
    await library.services.accounts.grant("admin@library.test", Role.ADMIN)
    member = actors["member"]
    file = {"file": ("a.txt", b"The keeper reads every night. The sea is loud.")}
    added = await api.post("/books", files=file, data={"copies": "5"}, headers=member)
    book = added.raise_for_status().json()["id"]
    (await api.post(f"/books/{book}/borrow", headers=member)).raise_for_status()
    await library.runner.kick()
    review = await api.post(f"/books/{book}/reviews", headers=member, json=EXAMPLES["review"])
    job = await api.post(f"/books/{book}/summary", headers=member)
    shown = await api.get(f"/books/{book}/similar", headers=member)
    ids = {
        "book_id": book,
        "review_id": review.json()["id"],
        "job_id": job.json()["job_id"],
        "user_id": (await api.get("/users/me", headers=victim)).json()["id"],
        "recommendation_id": shown.json()["recommendation_id"],
    }
    return Adversary(api, await operations_of(api), ids, {**actors, "anonymous": {}})


async def _signed_in(api: httpx.AsyncClient, name: str, *, new: bool = False) -> dict[str, str]:
    words = {"email": f"{name}@library.test", "password": PASSWORD}
    if new:
        (await api.post("/auth/signup", json=words)).raise_for_status()
    tokens = (await api.post("/auth/login", json=words)).raise_for_status().json()
    return {"Authorization": f"Bearer {tokens['access_token']}"}

"""Tokens: forged, spent, signed out; races for the next one, at two server processes."""

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.adapters.tokens.jose import JoseTokens
from app.domains.accounts.errors import InvalidToken
from app.domains.accounts.ports import Claims
from app.shared.ids import new_id
from benchmarks._serving import Answer
from benchmarks.campaigns._campaign import Plan, Tally
from benchmarks.campaigns._contests import CROWD, Arena, Request, crowded
from benchmarks.campaigns._forgeries import Forger, sent
from benchmarks.campaigns._grounds import (
    DirectDoor,
    Reader,
    admin_at,
    asked,
    code_of,
    database,
    expected,
    newcomers,
    postgres,
    served,
)
from tests.library import api_of, opened_library, settings_for_tests

KEY = b"thirty-two bytes of test material"
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
_OPEN = {"/auth/signup", "/auth/login", "/auth/refresh", "/healthz", "/readyz", "/metrics"}


async def run(plan: Plan, server_url: str | None = None) -> Sequence[Tally]:
    forged = Tally("forged access tokens, at the issuer", plan.count(200_000), "none is accepted")
    _at_the_issuer(plan, forged)
    with postgres(server_url) as server:
        with database(server) as url, TemporaryDirectory() as home:
            at_the_door = await _at_the_door(plan, url, Path(home))
        with database(server) as url:
            async with served(url, {}) as grounds:
                arena = await crowded(grounds, plan.seed)
                rest = [
                    await _refresh_races(plan, arena),
                    await _reuse(plan, arena),
                    await _signed_out(plan, arena),
                    await _changed_roles(plan, arena),
                ]
    return [forged, *at_the_door, *rest]


def _at_the_issuer(plan: Plan, tally: Tally) -> None:
    tokens, now = JoseTokens(KEY), datetime.now(UTC)
    claims = Claims(user_id=new_id(), session_id=new_id())
    good = tokens.issue(claims, now).token
    forger = Forger(good, KEY, random.Random(f"{plan.seed} issuer"))
    kinds: Counter[str] = Counter()
    slowest = 0.0
    for number in plan.rounds(tally):
        kind, token = forger.forge()
        began = time.thread_time()
        outcome = _verified(tokens, token, now)
        slowest = max(slowest, time.thread_time() - began)
        kinds[kind] += 1
        tally.hold(not outcome, f"seed {plan.seed}, {number}, {kind}: {outcome}: {token!r:.300}")
    tally.hold(tokens.verify(good, now) == claims, "the good one is good no more")
    tally.figures = {kind: f"{count:,}" for kind, count in sorted(kinds.items())}
    tally.figures["slowest"] = f"{slowest * 1000:.1f} ms of CPU"


def _verified(tokens: JoseTokens, token: str, now: datetime) -> str:
    """What is wrong with the answer; nothing when the token is refused as it must be."""
    try:
        return f"accepted as {tokens.verify(token, now)}"
    except InvalidToken:
        return ""
    except Exception as error:
        return f"breaks the issuer: {error!r}"


async def _at_the_door(plan: Plan, url: str, home: Path) -> list[Tally]:
    secret = {"tokens": {"secret": KEY.decode()}}
    async with AsyncExitStack() as stack:
        opened = opened_library(settings_for_tests(url, home, **secret))
        door = DirectDoor(api_of(await stack.enter_async_context(opened)))
        (reader,) = await newcomers([door])
        return [await _access(plan, door, reader), await _refreshing(plan, door, reader)]


async def _access(plan: Plan, door: DirectDoor, reader: Reader) -> Tally:
    """The session is alive and the key known: only what was forged is wrong."""
    # Not even looked at: 400 for characters no header holds, 431 for a header too long.
    passes = "each is 401, 400 or 431"
    tally = Tally("forged access tokens, at the gate", plan.count(10_000), passes)
    forger = Forger(reader.token, KEY, random.Random(f"{plan.seed} gate"))
    for number in plan.rounds(tally):
        kind, token = forger.forge()
        answer = await door.ask("GET", "/users/me", {"Authorization": f"Bearer {sent(token)}"})
        wrong = f"seed {plan.seed}, {number}, {kind}: {answer.status}: {token!r:.300}"
        tally.hold(answer.status in (400, 401, 431), wrong)
    expected(await reader.ask("GET", "/users/me"), 200)
    return tally


async def _refreshing(plan: Plan, door: DirectDoor, reader: Reader) -> Tally:
    tally = Tally("changed refresh tokens", plan.count(10_000), "each is 401 or 422")
    dice = random.Random(f"{plan.seed} refresh")
    answers: Counter[int] = Counter()
    # As characters only: an opaque token has no parts.
    forger = Forger(reader.refresh_token, KEY, dice)
    kinds: Sequence[Callable[[], str]] = (forger.characters_changed, forger.cut_or_grown)
    for number in plan.rounds(tally):
        token = dice.choice(kinds)()
        while token.strip() == reader.refresh_token:
            token = dice.choice(kinds)()
        answer = await asked(door, "POST", "/auth/refresh", {"refresh_token": token})
        answers[answer.status] += 1
        wrong = f"seed {plan.seed}, {number}: {answer.status}: {token!r:.300}"
        tally.hold(answer.status in (401, 422), wrong)
    kept = await asked(door, "POST", "/auth/refresh", {"refresh_token": reader.refresh_token})
    tally.hold(kept.status == 200, "the good one is good no more")
    tally.figures = {str(status): f"{count:,}" for status, count in sorted(answers.items())}
    return tally


async def _refresh_races(plan: Plan, arena: Arena) -> Tally:
    tally = Tally("refresh races of 50", plan.count(1_000), "one 200; then the session is over")
    for number in plan.rounds(tally):
        reader = arena.readers[number % CROWD]
        await reader.sign_in()
        body = {"refresh_token": reader.refresh_token}
        answers = await arena.at_once([Request(reader, "POST", "/auth/refresh", body)] * CROWD)
        codes = Counter(code_of(answer) for answer in answers)
        told = f"seed {plan.seed}, round {number}"
        tally.hold(codes == {"200": 1, "invalid_token": CROWD - 1}, f"{told}: {dict(codes)}")
        for answer in answers:
            if answer.status == 200:
                dead = await _accepted(reader, answer.json())
                tally.hold(not dead, f"{told}: afterwards good for {dead}")
        await reader.sign_in()
    return tally


async def _reuse(plan: Plan, arena: Arena) -> Tally:
    tally = Tally("spent refresh tokens", plan.count(1_000), "reuse ends the session at once")
    for number in plan.rounds(tally):
        thief = arena.readers[number % CROWD]
        await thief.sign_in()
        spent = {"refresh_token": thief.refresh_token}
        fresh = expected(await asked(thief.door, "POST", "/auth/refresh", spent), 200)
        door = arena.doors[(number + 1) % CROWD]
        again = await asked(door, "POST", "/auth/refresh", spent)
        left = await _accepted(thief, fresh)
        told = f"seed {plan.seed}, round {number}"
        tally.hold(again.status == 401, f"{told}: the spent one gets {again.status}")
        tally.hold(not left, f"{told}: the session goes on for {left}")
        await thief.sign_in()
    return tally


async def _accepted(reader: Reader, tokens: Mapping[str, Any]) -> list[str]:
    """What these tokens are still good for."""
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    body = {"refresh_token": tokens["refresh_token"]}
    answers: dict[str, Answer] = {
        "access": await reader.door.ask("GET", "/users/me", bearer),
        "refresh": await asked(reader.door, "POST", "/auth/refresh", body),
    }
    return [name for name, answer in answers.items() if answer.status != 401]


async def _signed_out(plan: Plan, arena: Arena) -> Tally:
    """Every route of the document, with a token that was good a moment ago, at the process
    that did not see it signed out."""
    document = expected(await arena.doors[0].ask("GET", "/openapi.json"), 200)
    routes = [
        (method.upper(), path) for path, about in document["paths"].items() for method in about
    ]
    closed = [(method, path) for method, path in routes if path not in _OPEN]
    tally = Tally("signed-out tokens on every route", plan.count(20) * len(closed), "each is 401")
    for number in plan.rounds(tally):
        method, path = closed[number % len(closed)]
        reader = arena.readers[number % CROWD]
        bearer = dict(await reader.bearer())
        everywhere = "?everywhere=true" if number % 2 else ""
        expected(await reader.ask("POST", f"/auth/signout{everywhere}"), 204)
        door = arena.doors[(number + 1) % CROWD]
        answer = await asked(door, method, _filled(path), {}, bearer)
        told = f"seed {plan.seed}, {number}: {method} {path}: {answer.status}"
        tally.hold(answer.status == 401, told)
        await reader.sign_in()
    tally.figures = {"routes": str(len(closed)), "open by design": ", ".join(sorted(_OPEN))}
    return tally


async def _changed_roles(plan: Plan, arena: Arena) -> Tally:
    tally = Tally("rights taken away", plan.count(1_000), "the next call is 403 or 401")
    governor = await admin_at(arena.doors[0])
    for number in plan.rounds(tally):
        reader = arena.readers[1 + number % (CROWD - 1)]
        path = f"/users/{reader.id}"
        expected(await governor.ask("PATCH", path, {"role": "admin"}), 200)
        before = (await reader.ask("GET", "/users")).status
        taken = {"disabled": True} if number % 2 else {"role": "member"}
        expected(await governor.ask("PATCH", path, taken), 200)
        after = (await reader.ask("GET", "/users")).status
        must = (200, 401 if number % 2 else 403)
        told = f"seed {plan.seed}, round {number}, {taken}: {(before, after)} instead of {must}"
        tally.hold((before, after) == must, told)
        expected(await governor.ask("PATCH", path, {"role": "member", "disabled": False}), 200)
        if number % 2:
            await reader.sign_in()
    return tally


def _filled(path: str) -> str:
    return "/".join(NOBODY if part.startswith("{") else part for part in path.split("/"))

"""Load: mixed requests at 70 % of what the server can do, then twice as many as it can.

Client, server and database share the machine, and nothing is synced to a disk: the rates are
those of this machine on that day, the statuses are what is proven.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

from benchmarks._machine import percentile
from benchmarks._serving import connected
from benchmarks.campaigns._campaign import Plan, Tally
from benchmarks.campaigns._grounds import postgres, served
from benchmarks.campaigns._invariants import invariants
from benchmarks.campaigns._traffic import (
    SETTINGS,
    Outcome,
    Town,
    Visitor,
    built,
    closed_loop,
    open_loop,
)
from benchmarks.campaigns._vitals import vitals_of
from tests.database import cloned

_REQUESTS, _BOOKS = 500_000, 5_000
_STEPS = (4, 8, 16, 32, 64)
_SHARE = 0.7
# More than the server takes at once.
_CROWD, _FLOOD_SECONDS = 2_400, 60
_SOON, _RECOVERED = 5.0, 10


async def run(plan: Plan, server_url: str | None = None) -> Sequence[Tally]:
    steady = Tally(
        f"mixed requests at {_SHARE:.0%} of saturation", plan.count(_REQUESTS), "no 5xx, no 4xx "
        "but the expected ones"
    )  # fmt: skip
    seconds = max(2, round(_FLOOD_SECONDS * min(1.0, plan.scale * 10)))
    flood = Tally(
        "seconds of twice the saturation", seconds, "only 429 and 503 with Retry-After beside the "
        "expected ones; as before after 5 s at most"
    )  # fmt: skip
    with postgres(server_url) as server, cloned(server) as url:
        async with served(url, SETTINGS, apart=({},)) as grounds:
            books = max(200, min(_BOOKS, plan.count(_BOOKS * 10)))
            town = await built(grounds, books=books, lent=12, readers=12, seed=plan.seed)
            saturation = await _steps(plan, town, steady)
            await _steadily(plan, town, steady, saturation * _SHARE)
            await _flooded(plan, town, flood, saturation * 2)
        for tally in (steady, flood):
            tally.failures[:] = [f"seed {plan.seed}: {each}" for each in tally.failures]
        return [steady, flood, await invariants(url, "the load")]


async def _steps(plan: Plan, town: Town, tally: Tally) -> float:
    """The most requests a second of any number of connections."""
    seconds = max(1.0, min(10.0, 100 * plan.scale))
    rates = {}
    for number in _STEPS:
        async with connected(town.grounds.ports[0], number) as doors:
            visitors = [Visitor(town, door, n, plan.seed) for n, door in enumerate(doors)]
            outcome = await closed_loop(visitors, seconds)
        rates[number] = outcome.rate
        _hold(tally, outcome, "finding the saturation")
    told = ", ".join(f"{number}: {rate:.0f}/s" for number, rate in rates.items())
    tally.figures["by connections"] = told
    return max(rates.values())


async def _steadily(plan: Plan, town: Town, tally: Tally, rate: float) -> None:
    before, began = vitals_of(town.grounds.pids[0]), time.monotonic()
    async with connected(town.grounds.ports[0], _STEPS[-1]) as doors:
        visitors = [Visitor(town, door, n, f"{plan.seed} steady") for n, door in enumerate(doors)]
        outcome = await open_loop(visitors, rate, tally.planned, ends=plan.ends)
    after = vitals_of(town.grounds.pids[0])
    tally.done = sum(outcome.statuses.values())
    _hold(tally, outcome, f"at {rate:.0f}/s")
    tally.figures |= _told(outcome) | {
        "offered": f"{rate:.0f}/s, answered {outcome.rate:.0f}/s",
        "MiB": f"{before.rss:.0f} to {after.rss:.0f}",
        "of a core": f"{(after.cpu - before.cpu) / (time.monotonic() - began):.0%}",
    }


async def _flooded(plan: Plan, town: Town, tally: Tally, rate: float) -> None:
    port, crowd = town.grounds.ports[0], max(64, min(_CROWD, round(_CROWD * plan.scale * 20)))
    async with connected(port, crowd) as doors:
        visitors = [Visitor(town, door, n, f"{plan.seed} flood") for n, door in enumerate(doors)]
        began = time.monotonic()
        outcome = await open_loop(
            visitors, rate, round(rate * tally.planned), ends=began + tally.planned, crowded=True
        )
    ended = time.monotonic()
    tally.done = tally.planned if ended - began >= tally.planned * 0.9 else 0
    back = await _recovered(town, ended)
    tally.hold(back <= _SOON, f"it took {back:.1f} s to recover")
    _hold(tally, outcome, f"at {rate:.0f}/s")
    tally.figures = _told(outcome) | {
        "offered": f"{rate:.0f}/s by {crowd:,} connections, answered {outcome.rate:.0f}/s",
        "refused with Retry-After": f"{outcome.refused_politely:,}",
        "recovered after (s)": f"{back:.1f}",
        "MiB (most)": f"{vitals_of(town.grounds.pids[0]).most:.0f}",
    }


async def _recovered(town: Town, since: float) -> float:
    """Seconds until a page of books was answered ten times in a row, each at once."""
    in_a_row, first = 0, time.monotonic()
    while in_a_row < _RECOVERED and time.monotonic() < since + 60:
        at = time.monotonic()
        async with connected(town.grounds.ports[0], 1) as (door,):
            bearer = await town.bearer(town.readers[0])
            answer = await door.ask("GET", "/books?limit=20", bearer)
        is_well = answer.status == 200 and time.monotonic() - at < 0.5
        in_a_row, first = (in_a_row + 1, first) if is_well else (0, time.monotonic())
        await asyncio.sleep(0.05)
    return first - since


def _hold(tally: Tally, outcome: Outcome, when: str) -> None:
    tally.failures += [f"{when}: {wrong}" for wrong in outcome.wrong]


def _told(outcome: Outcome) -> dict[str, str]:
    ranks = [percentile(outcome.seconds, share) for share in (0.5, 0.95, 0.99, 0.999)]
    statuses: Counter[int] = outcome.statuses
    return {
        "answers": ", ".join(f"{status} {times:,}" for status, times in sorted(statuses.items())),
        "ms (p50, p95, p99, p99.9)": ", ".join(f"{rank:.0f}" for rank in ranks),
    }

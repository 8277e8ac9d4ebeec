"""State machine: whatever readers do, the library answers as a model of it in memory does.

In process the whole application is asked on a real database (gate, schemas, services and SQL:
fakes would only compare a model with a model); over HTTP the same steps go to real servers.
"""

import asyncio
import itertools
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from benchmarks.campaigns._campaign import Plan, Tally
from benchmarks.campaigns._compared import LIMITS, World
from benchmarks.campaigns._grounds import (
    ADMIN,
    PASSWORD,
    Asking,
    DirectDoor,
    Reader,
    admin_at,
    database,
    postgres,
    served,
)
from benchmarks.campaigns._invariants import invariants
from benchmarks.campaigns._library_model import RENEWALS
from benchmarks.campaigns._story import Story
from tests.library import api_of, opened_library, settings_for_tests

STEPS = 50
EXAMPLES = 60


async def run(plan: Plan, server_url: str | None = None) -> Sequence[Tally]:
    with postgres(server_url) as server:
        direct = await _walked(plan, "steps in process", 200_000, _in_process, server)
        served = await _walked(plan, "steps over HTTP", 10_000, _over_http, server)
    return [*direct, *served]


async def _walked(
    plan: Plan, what: str, full: int, opened: "Opened", server_url: str
) -> Sequence[Tally]:
    tally = Tally(what, plan.count(full), "0 divergences from the model")
    with database(server_url) as url:
        # Hypothesis is not asynchronous: it has a thread, and the library a loop there.
        await asyncio.to_thread(_walk, plan, tally, opened, url)
        return tally, await invariants(url, what)


Doors = tuple[Mapping[int, Asking], Reader]
Opened = Callable[[AsyncExitStack, str, Path], Coroutine[Any, Any, Doors]]


def _walk(plan: Plan, tally: Tally, opened: Opened, url: str) -> None:
    with _world(opened, url) as world:
        for batch in itertools.count():
            missing = tally.planned - tally.done
            if missing <= 0 or not plan.has_time or tally.failures:
                return
            world.steps = 0
            wrong = _batch(world, plan.seed * 10_000 + batch, missing)
            if wrong:
                tally.hold(False, f"seed {plan.seed}, batch {batch}: {wrong}")
            else:
                tally.done += world.steps
            tally.figures["answers"] = ", ".join(
                f"{code} {count:,}" for code, count in sorted(world.answers.items())
            )


@contextmanager
def _world(opened: Opened, url: str) -> Iterator[World]:
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory() as folder:
        stack = AsyncExitStack()
        try:
            doors, governor = runner.run(opened(stack, url, Path(folder)))
            yield World(runner, doors, governor)
        finally:
            runner.run(stack.aclose())


async def _in_process(stack: AsyncExitStack, url: str, home: Path) -> Doors:
    doors: dict[int, Asking] = {}
    for limit in LIMITS:
        chosen = settings_for_tests(
            url,
            home,
            lending={"limit": limit, "renewals": RENEWALS},
            accounts={"bcrypt_rounds": 4, "admin_email": ADMIN, "admin_password": PASSWORD},
        )
        library = await stack.enter_async_context(opened_library(chosen))
        doors[limit] = DirectDoor(api_of(library))
    return doors, await admin_at(doors[LIMITS[0]])


async def _over_http(stack: AsyncExitStack, url: str, home: Path) -> Doors:
    apart = [{"LENDING_LIMIT": str(limit)} for limit in LIMITS]
    renewals = {"LENDING_RENEWALS": str(RENEWALS)}
    grounds = await stack.enter_async_context(served(url, renewals, apart))
    doors = dict(zip(LIMITS, await grounds.connections(len(LIMITS)), strict=True))
    return doors, await admin_at(doors[LIMITS[0]])


def _batch(world: World, number: int, missing: int) -> str:
    """The first story that ends otherwise than in the model; nothing if there is none."""
    # The first story Hypothesis tells is the dullest there is: one alone says nothing.
    steps = max(10, min(STEPS, missing // 5))

    @seed(number)
    def machine() -> Story:
        return Story(world)

    chosen = settings(
        max_examples=min(EXAMPLES, -(-missing // steps)),
        stateful_step_count=steps,
        deadline=None,
        database=None,
        # Found stories are at most so many steps long; to shorten one can take minutes.
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    try:
        run_state_machine_as_test(cast(type[Story], machine), settings=chosen)
    except Exception as error:
        return " ".join([repr(error), *getattr(error, "__notes__", ())])
    return ""

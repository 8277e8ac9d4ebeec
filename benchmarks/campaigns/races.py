"""Races: fifty requests for what only one can have, over HTTP, at two server processes."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.campaigns._campaign import Plan, Tally
from benchmarks.campaigns._contests import (
    CONTESTS,
    LIMIT,
    RENEWALS,
    Arena,
    Contest,
    crowded,
)
from benchmarks.campaigns._grounds import database, served
from benchmarks.campaigns._invariants import invariants


async def run(plan: Plan, server_url: str | None = None) -> Sequence[Tally]:
    limits = {"LENDING_LIMIT": str(LIMIT), "LENDING_RENEWALS": str(RENEWALS)}
    with database(server_url) as url:
        async with served(url, limits) as grounds:
            arena = await crowded(grounds, plan.seed)
            tallies = [await _held(contest, arena, plan) for contest in CONTESTS]
            return [*tallies, _files(arena), await invariants(url, "the races")]


async def _held(contest: Contest, arena: Arena, plan: Plan) -> Tally:
    tally = Tally(contest.what, plan.count(contest.full), contest.passes)
    arena.statuses.clear()
    # So that each contest does the same again, however many came before it.
    arena.dice.seed(f"{plan.seed} {contest.what}")
    for number in plan.rounds(tally):
        for wrong in await contest.play(arena, number):
            tally.hold(False, f"seed {plan.seed}, round {number}: {wrong}")
    failed = sum(times for status, times in arena.statuses.items() if status >= 500)
    tally.hold(not failed, f"seed {plan.seed}: {failed} answers were 5xx")
    counted = sorted(arena.statuses.items())
    tally.figures = {"answers": ", ".join(f"{status} {times:,}" for status, times in counted)}
    return tally


def _files(arena: Arena) -> Tally:
    """What 50 at once uploaded lies in the storage once; no job has removed anything yet."""
    tally = Tally("files left by refused uploads", 1, "as many files as books were added", 1)
    kept = _stored(arena.grounds.home / "files")
    tally.hold(len(kept) == arena.shelved, f"{len(kept)} files for {arena.shelved} books")
    tally.figures = {"files": f"{len(kept):,}"}
    return tally


def _stored(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]

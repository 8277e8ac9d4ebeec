"""Contract fuzz: Schemathesis asks real servers what the OpenAPI document promises, as 4 roles."""

import asyncio
import importlib.util
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks._machine import ROOT
from benchmarks.campaigns._campaign import Plan, Tally
from benchmarks.campaigns._grounds import (
    PASSWORD,
    Grounds,
    Reader,
    admin_at,
    asked,
    database,
    expected,
    newcomers,
    served,
)

ROLES = ("anonymous", "member", "librarian", "admin")
_EACH = 10_000
_OPERATIONS = 50
_PHASES = "examples,coverage,fuzzing,stateful"
_PATIENCE = 900.0
_ACCESSORY = "benchmarks.campaigns._contract_hooks"
# A JSON Schema cannot say what a cursor of this list, a common password, a check digit, the
# bytes of a book or an address that is too long are: what it allows may still be refused, as
# the document says, with these.
_REFUSED = "400 401 403 404 405 406 409 412 413 414 415 416 422 428 429 431".split()
_CONFIGURATION = f"""
[generation]
database = "none"
[checks.positive_data_acceptance]
expected-statuses = {json.dumps(["2xx", "3xx", *_REFUSED])}
[checks.negative_data_rejection]
expected-statuses = {json.dumps(_REFUSED)}
# Another method than GET there is one of a book whose id is `facets`: 422 says what is wrong.
[[operations]]
include-path = "/books/facets"
checks.unsupported_method.enabled = false
"""


@dataclass
class Findings:
    """What the reports of a role's runs say."""

    cases: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)

    def read(self, report: Path, told: str) -> None:
        with report.open(encoding="utf-8") as lines:
            for line in lines:
                finished = json.loads(line).get("ScenarioFinished")
                if finished and "cases" in finished["recorder"]:
                    self._take(finished["recorder"], told)

    def _take(self, recorder: Mapping[str, Any], told: str) -> None:
        for key, interaction in recorder["interactions"].items():
            answer = interaction.get("response")
            self.cases += 1
            self.statuses[str(answer["status_code"]) if answer else "no answer"] += 1
            if answer is None:
                self.failures.setdefault(f"{told} no answer", f"{told}: no answer: {interaction}")
            for what in _failed(recorder["checks"].get(key, ())):
                asked = f"{interaction['request']['method']} {interaction['request']['uri']}"
                name = f"{recorder['label']}: {what}"
                status = answer["status_code"] if answer else None
                self.failures.setdefault(name, f"{told}: {name}: {status} for {asked:.300}")


def _failed(checks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for check in checks:
        if check["status"] == "failure":
            about = check.get("failure_info", {}).get("failure", {})
            yield f"{check['name']}: {' '.join(str(about.get('message', '')).split())[:200]}"


async def run(
    plan: Plan, server_url: str | None = None, roles: Sequence[str] = ROLES
) -> Sequence[Tally]:
    tallies = [
        Tally(f"cases as {role}", plan.count(_EACH), "0 failures, 0 undocumented statuses")
        for role in roles
    ]
    if importlib.util.find_spec("schemathesis") is None:
        for tally in tallies:
            tally.figures["not run"] = "schemathesis is not installed"
        return tallies
    with database(server_url) as url:
        async with served(url, {}, [{}]) as grounds:
            for role, tally in zip(roles, tallies, strict=True):
                await _fuzzed(plan, tally, role, grounds)
    return tallies


async def _fuzzed(plan: Plan, tally: Tally, role: str, grounds: Grounds) -> None:
    """Run after run, each from the next seed, until there were cases enough."""
    told, found = await _told(role, grounds), Findings()
    for number in count():
        if found.cases >= tally.planned or not plan.has_time:
            break
        seed = plan.seed * 1_000 + number
        each = max(1, (tally.planned - found.cases) // _OPERATIONS)
        with tempfile.TemporaryDirectory() as folder:
            # The cases Schemathesis makes of each constraint are some 1,500, few or many asked.
            phases = _PHASES if tally.planned > 300 else "fuzzing"
            report = await _schemathesis(Path(folder), told, seed, each, phases)
            before = found.cases
            found.read(report, f"st run --seed {seed} --max-examples {each} as {role}")
        if found.cases == before:
            tally.hold(False, f"seed {seed} as {role}: nothing was asked")
            break
    tally.done = found.cases
    tally.failures += found.failures.values()
    tally.figures = {code: f"{times:,}" for code, times in sorted(found.statuses.items())}


async def _schemathesis(
    folder: Path, told: Mapping[str, str], seed: int, examples: int, phases: str
) -> Path:
    configuration, report = folder / "schemathesis.toml", folder / "report.ndjson"
    configuration.write_text(_CONFIGURATION, "utf-8")
    url = json.loads(told["CONTRACT"])["url"]
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("st")),
        *("--no-color", "--config-file", str(configuration), "run", f"{url}/openapi.json"),
        *("--continue-on-failure", "--no-shrink", "--seed", str(seed)),
        *("--phases", phases),
        *("--max-examples", str(examples), "--suppress-health-check", "all"),
        *("--report", "ndjson", "--report-ndjson-path", str(report)),
        cwd=folder,
        env={**os.environ, **told, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": _ACCESSORY},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), _PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if not report.exists():
        raise RuntimeError(f"Schemathesis did not run: {said.decode()[-2000:]}")
    return report


async def _told(role: str, grounds: Grounds) -> dict[str, str]:
    """Who asks, and things of theirs; as JSON for the hooks."""
    brief: dict[str, Any] = {
        "url": f"http://127.0.0.1:{grounds.ports[0]}",
        "email": "",
        "password": PASSWORD,
        "ids": {},
    }
    if role != "anonymous":
        actor = await _actor(role, grounds)
        brief |= {"email": actor.email, "ids": await _things_of(actor)}
    return {"CONTRACT": json.dumps(brief)}


async def _actor(role: str, grounds: Grounds) -> Reader:
    (door,) = await grounds.connections(1)
    governor = await admin_at(door)
    if role == "admin":
        return governor
    (actor,) = await newcomers([door], role)
    expected(await governor.ask("PATCH", f"/users/{actor.id}", {"role": role}), 200)
    return actor


async def _things_of(actor: Reader) -> dict[str, str]:
    (victim,) = await newcomers([actor.door], "victim")
    book = (await actor.shelve(f"The keeper reads {actor.email} every night.", copies=9))["id"]
    expected(await actor.ask("POST", f"/books/{book}/borrow"), 201)
    said = {"rating": 4, "text": "The keeper is kind."}
    review = expected(await actor.ask("POST", f"/books/{book}/reviews", said), 201)
    shown = expected(await actor.ask("GET", f"/books/{book}/similar"), 200)
    ids = {
        "book_id": book,
        "review_id": review["id"],
        "recommendation_id": shown["recommendation_id"],
        "user_id": victim.id,
    }
    text = {"content": "It was night. " * 5_000}
    started = await asked(actor.door, "POST", "/generate-summary", text, await actor.bearer())
    return ids | ({"job_id": started.json()["job_id"]} if started.status == 202 else {})

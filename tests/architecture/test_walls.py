"""Who may import whom."""

import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
MEETING_PLACES = {"service", "model", "errors", "events"}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("app", cache_dir=None)


def test_the_contracts_hold() -> None:
    words = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run([*words, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rooms_meet_only_where_rooms_may_meet(graph: grimp.ImportGraph) -> None:
    trespasses = [
        f"{module} imports {other}"
        for module in graph.find_descendants("app.domains")
        for other in graph.find_modules_directly_imported_by(module)
        if _is_a_trespass(module, other)
    ]
    assert not trespasses


def _is_a_trespass(module: str, other: str) -> bool:
    there = other.split(".")
    if there[:2] != ["app", "domains"] or len(there) < 3:
        return False
    return module.split(".")[2] != there[2] and not MEETING_PLACES & set(there[3:4])


@pytest.mark.parametrize("place", ["ports", "jobs", "prompts"])
def test_a_trespass_is_noticed(place: str) -> None:
    assert _is_a_trespass("app.domains.reviews.service", f"app.domains.lending.{place}")
    assert not _is_a_trespass("app.domains.lending.service", f"app.domains.lending.{place}")


@pytest.mark.parametrize("place", sorted(MEETING_PLACES))
def test_a_visit_is_none(place: str) -> None:
    assert not _is_a_trespass("app.domains.reviews.service", f"app.domains.lending.{place}.x")

"""What the workflows may do, and that nobody can change what they run behind our back."""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
FILES = sorted((GITHUB / "workflows").glob("*.y*ml"))
READ_ONLY = {"contents": "read"}
# Other people's commits would run with rights of ours.
DANGEROUS = {"pull_request_target", "workflow_run", "issue_comment"}
_USES = re.compile(r"^\s*(?:- )?uses:\s*(.+)$", re.MULTILINE)
_OWN = re.compile(r"\./\.github/workflows/[\w.-]+\.yml( #.*)?")
_PINNED = re.compile(r"(?P<action>[\w.-]+(?:/[\w.-]+)+)@(?P<pin>[0-9a-f]{40} # v\d+\.\d+\.\d+)")
_INSTALL = re.compile(r"\bpip3?\"? install\b(?:[^\n]*\\\n)*[^\n]*")


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def text(request: pytest.FixtureRequest) -> str:
    return str(request.param.read_text("utf-8"))


@pytest.fixture
def workflow(text: str) -> dict[Any, Any]:
    return dict(yaml.safe_load(text))


def triggers(workflow: dict[Any, Any]) -> set[str]:
    # YAML 1.1 takes the word `on` for a truth
    return set(workflow[True])


def steps(workflow: dict[Any, Any]) -> Iterator[dict[str, Any]]:
    return chain.from_iterable(job.get("steps", []) for job in workflow["jobs"].values())


def granted(workflow: dict[Any, Any]) -> Iterator[tuple[str, str]]:
    for job in workflow["jobs"].values():
        yield from job.get("permissions", {}).items()


def is_fixed(used: str) -> bool:
    return bool(_PINNED.fullmatch(used) or _OWN.fullmatch(used))


def test_there_are_workflows() -> None:
    assert [file.name for file in FILES] == ["check.yml", "deploy.yml", "release.yml"]


def test_every_action_is_pinned_to_a_commit_and_says_its_version(text: str) -> None:
    assert not [used for used in _USES.findall(text) if not is_fixed(used)]


@pytest.mark.parametrize(
    "used",
    [
        "actions/checkout@v6",
        "actions/checkout@main # v6.0.2",
        "actions/checkout@" + "a" * 40,
        "actions/checkout@" + "a" * 39 + " # v6.0.2",
        "docker://alpine:3",
    ],
)
def test_a_name_that_can_move_is_no_pin(used: str) -> None:
    assert not is_fixed(used)


def test_an_action_has_one_version_everywhere() -> None:
    found = {
        match.groups() for file in FILES for match in _PINNED.finditer(file.read_text("utf-8"))
    }
    actions = [action for action, _ in found]
    assert sorted(actions) == sorted(set(actions))


def test_the_token_may_only_read_unless_a_job_says_more(workflow: dict[Any, Any]) -> None:
    assert workflow["permissions"] == READ_ONLY


def test_nobody_elses_code_runs_with_our_rights(workflow: dict[Any, Any]) -> None:
    assert not triggers(workflow) & DANGEROUS


def test_what_runs_for_strangers_may_write_nothing(workflow: dict[Any, Any]) -> None:
    if "pull_request" in triggers(workflow):
        assert {access for _, access in granted(workflow)} <= {"read", "none"}


def test_no_workflow_knows_a_secret(text: str) -> None:
    """AWS is entered by OIDC, GitHub by the run's own token."""
    assert not re.search(r"\bsecrets\b\s*[.\[:]", text)


def test_nothing_that_was_typed_becomes_part_of_a_script(workflow: dict[Any, Any]) -> None:
    assert not [step["run"] for step in steps(workflow) if "${{" in step.get("run", "")]


def test_every_job_ends_by_itself(workflow: dict[Any, Any]) -> None:
    """A called workflow has the limits of its own jobs."""
    jobs = {name: job for name, job in workflow["jobs"].items() if "uses" not in job}
    assert {
        name for name, job in jobs.items() if not 0 < job.get("timeout-minutes", 0) <= 60
    } == set()


def test_every_workflow_says_what_becomes_of_an_older_run(workflow: dict[Any, Any]) -> None:
    """Only checks may be cut short."""
    concurrency = workflow["concurrency"]
    assert concurrency["group"]
    assert concurrency["cancel-in-progress"] is ("pull_request" in triggers(workflow))


def test_a_checkout_leaves_no_token_behind(workflow: dict[Any, Any]) -> None:
    checkouts = [step for step in steps(workflow) if "actions/checkout" in step.get("uses", "")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_what_is_installed_is_checked_against_a_lock(text: str) -> None:
    assert all("--require-hashes" in words for words in _INSTALL.findall(text))


def test_every_python_we_promise_is_tried() -> None:
    matrix = yaml.safe_load((GITHUB / "workflows/check.yml").read_text("utf-8"))["jobs"]["check"]
    pythons = [each["python"] for each in matrix["strategy"]["matrix"]["include"]]
    promised = re.search(
        r'requires-python = ">=(.+)"', (ROOT / "pyproject.toml").read_text("utf-8")
    )
    assert promised is not None
    assert pythons[0] == promised[1]
    assert len(pythons) == 4


def test_a_released_image_is_the_only_one_deployed() -> None:
    deploy = (GITHUB / "workflows/deploy.yml").read_text("utf-8")
    assert "gh attestation verify" in deploy
    assert "/.github/workflows/release.yml" in deploy


def test_every_pin_is_kept_fresh() -> None:
    updates = yaml.safe_load((GITHUB / "dependabot.yml").read_text("utf-8"))["updates"]
    kinds = {update["package-ecosystem"] for update in updates}
    assert kinds >= {"pip", "github-actions", "docker", "terraform"}
    assert all(update["schedule"]["interval"] == "weekly" for update in updates)
    assert all(update["groups"] for update in updates)

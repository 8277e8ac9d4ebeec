"""Prompt files can be used, and a changed one says so in its version."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.__main__ import run
from app.adapters.llm.structure import complaints
from app.adapters.llm.tokens import TokenEstimate
from app.bootstrap.prompts import LOCK, ROOT, difference, faults, fullest, prompt_files, rendered
from app.ports.llm import Message
from app.shared.fencing import fence, fenced_blocks, unmarked
from app.shared.prompt_file import BrokenPrompt, Prompt, read_prompt
from tests.architecture.golden import FOLDER, file_of
from tests.domains.reviews.injections import INJECTIONS

FILES = prompt_files()
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(params=FILES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def prompt(name: str) -> Prompt:
    return read_prompt(FILES[name])


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the prompts, to be spoilt."""
    for file in FILES.values():
        copy = tmp_path / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    return tmp_path


def rewritten(house: Path, change: Change, *, body: str = "") -> list[str]:
    """What is said of the prompts once the head of one of them has been changed."""
    file = prompt_files(house)["reviews/read_review"]
    _, head, text = file.read_text("utf-8").split("---\n", 2)
    members = json.loads(head)
    change(members)
    file.write_text(f"---\n{json.dumps(members)}\n---\n{text}{body}", "utf-8")
    return list(faults(house, LOCK))


def test_there_are_prompts() -> None:
    assert len(FILES) > 4


def test_all_prompts_are_sound_and_locked() -> None:
    assert list(faults()) == []


def test_a_prompt_is_rendered_as_it_was_looked_at(name: str) -> None:
    wanted = file_of(name).read_text("utf-8") if file_of(name).exists() else ""
    assert rendered(name, {}, sample=True) == wanted, (
        "Look at the new text, then: python -m tests.architecture.golden --update"
    )


def test_nothing_is_kept_of_prompts_that_are_gone() -> None:
    assert {file.name for file in FOLDER.glob("*")} == {file_of(name).name for name in FILES}


def test_the_fullest_prompt_is_within_its_budget(prompt: Prompt) -> None:
    system, user = prompt.render(**fullest(prompt))
    messages = [Message("system", system), Message("user", user)]
    assert TokenEstimate().of(messages) <= prompt.max_input_tokens


def test_the_example_is_an_answer_that_was_asked_for(prompt: Prompt) -> None:
    assert prompt.output_schema
    assert prompt.example
    assert list(complaints(prompt.example, prompt.output_schema)) == []


@pytest.mark.parametrize("order", INJECTIONS)
def test_untrusted_text_stays_between_its_marks(order: str) -> None:
    for file in FILES.values():
        prompt = read_prompt(file)
        untrusted = [name for name, each in prompt.inputs.items() if each.untrusted]
        ordered = prompt.render(**{**prompt.samples, **dict.fromkeys(untrusted, order)})
        assert outside(ordered) == outside(prompt.render(**prompt.samples))


def outside(rendering: tuple[str, str]) -> str:
    """What of a prompt is not between marks."""
    around = "\n".join(rendering)
    for label, text in fenced_blocks(around):
        around = around.replace(fence(label, text), f"({label})")
    return around


def test_a_mark_cannot_be_known_and_is_the_same_for_the_same_text() -> None:
    assert fence("voices", "Fine.") == fence("voices", "Fine.")
    assert fence("voices", "Fine.") != fence("voices", "Fine!")
    forged = unmarked(fence("voices", "Fine."))
    assert fenced_blocks(fence("voices", f"{forged}\nMore.")) == [("voices", f"{forged}\nMore.")]


def test_control_signs_and_what_is_over_the_limit_are_cut() -> None:
    spoilt = "a\x00b\x1b[31mc\u202ed\u200be\ud800f"
    assert fenced_blocks(fence("text", spoilt, limit=8)) == [("text", "ab[31mcd")]


@pytest.mark.parametrize("values", [{}, {"sentences": "1: Fine.", "rating": "5"}])
def test_missing_and_unknown_values_are_refused(values: dict[str, str]) -> None:
    with pytest.raises(BrokenPrompt, match="takes"):
        read_prompt(FILES["reviews/read_review"]).render(**values)


@pytest.mark.parametrize("value", ["two\nlines", "x" * 500])
def test_a_trusted_value_is_a_short_line(value: str) -> None:
    prompt = read_prompt(FILES["reviews/tell_consensus"])
    with pytest.raises(BrokenPrompt, match="short line"):
        prompt.render(**{**prompt.samples, "language": value})


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda head: head.update(id="other"), "its id is other"),
        (lambda head: head.update(purpose=""), "what it is for"),
        (lambda head: head["changelog"].pop(str(head["version"])), "changelog"),
        (lambda head: head["inputs"]["sentences"].pop("limit"), "no limit"),
        (lambda head: head["budget"].update({"in": 100}), "of a budget of 100"),
        (lambda head: head["budget"].update(out=3), "its answers may take 3"),
        (lambda head: head.update(example={"opinions": [{}]}), "lacks 'sentence'"),
        (lambda head: head.pop("example"), "no example"),
        (lambda head: head["output"].update(additionalProperties=True), "open"),
        (lambda head: head["output"]["properties"]["opinions"].pop("maxItems"), "no end"),
        (lambda head: head.update(colour="red"), "unknown members"),
        (lambda head: head["inputs"]["sentences"].update(colour="red"), "unknown members"),
        (lambda head: head["inputs"].update(more={"sample": ""}), "placeholders and inputs"),
        (lambda head: head.pop("params"), "front matter is wrong"),
        (lambda head: head["params"].update(seed=8), "has changed"),
        (lambda head: head.update(version=99), "is new"),
    ],
)
def test_a_prompt_that_is_not_sound_is_named_with_what_is_wrong(
    house: Path, change: Change, fault: str
) -> None:
    assert any(fault in found for found in rewritten(house, change))


def test_a_changed_text_needs_a_new_version(house: Path) -> None:
    said = rewritten(house, lambda head: None, body="Please.\n")
    assert any('Raise "version"' in each for each in said)


def test_another_purpose_is_the_same_prompt(house: Path) -> None:
    before = list(faults(house, LOCK))
    assert rewritten(house, lambda head: head.update(purpose="Something else.")) == before


def test_a_lock_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    assert "no lock" in next(faults(ROOT, tmp_path / "prompts.lock"))


def test_the_command_checks_renders_and_compares(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["prompts", "lint"]) == 0
    assert run(["prompts", "render", "tell_consensus", "--sample", "--var", "language=Welsh"]) == 0
    assert "Write in Welsh." in capsys.readouterr().out
    assert run(["prompts", "render", "tell_consensus"]) == 2
    assert "takes" in capsys.readouterr().err
    assert run(["prompts", "render", "no_such_prompt"]) == 1
    assert "reviews/tell_consensus" in capsys.readouterr().err


def test_two_states_of_a_prompt_are_compared(tmp_path: Path) -> None:
    name, file = "reviews/read_review", FILES["reviews/read_review"]
    older = tmp_path / "older.md"
    older.write_text(file.read_text("utf-8").replace("one review", "a review"), "utf-8")
    told = difference(name, str(older))
    assert "-You read a review" in told
    assert "+You read one review" in told
    assert "no stored answer counts as one of its own" in told
    assert "nothing that a model sees has changed" in difference(name, str(file))

"""What is said about the settings is true, and every name in them can be chosen."""

import re
import string
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from app.bootstrap.providers import (
    MODELS,
    RECOMMENDERS,
    STORAGES,
    model_named,
    recommender_named,
    storage_named,
)
from app.bootstrap.settings import BadSettings, Settings, read_settings
from app.ports.llm import LLMProvider
from app.ports.recommender import Recommender
from app.ports.storage import StorageProvider

EXAMPLE = Path(__file__).parents[2] / ".env.example"
_SETTING = re.compile(r"# ([A-Z]+(?:_[A-Z]+)+)=(.*)")


def fields() -> Iterator[tuple[str, Any]]:
    for group, field in Settings.model_fields.items():
        assert isinstance(field.default, BaseModel)
        for name, value in field.default:
            yield f"{group}_{name}".upper(), value


def listed() -> dict[str, str]:
    lines = EXAMPLE.read_text("utf-8").splitlines()
    return {found[1]: found[2] for line in lines if (found := _SETTING.fullmatch(line))}


def written(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case _:
            return str(value)


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, _ in fields():
        monkeypatch.delenv(name, raising=False)


def test_the_example_lists_every_setting_with_its_default() -> None:
    assert listed() == {name: written(value) for name, value in fields()}


def test_a_setting_is_a_group_and_a_name_in_it() -> None:
    letters = set(string.ascii_uppercase + "_")
    assert all(set(name) <= letters and "_" not in name.partition("_")[0] for name, _ in fields())


def test_the_example_explains_every_setting() -> None:
    lines = EXAMPLE.read_text("utf-8").splitlines()
    explained = [before for before, line in pairwise(lines) if _SETTING.fullmatch(line)]
    assert all(line.startswith("# ") and line.endswith(".") for line in explained), explained


def test_the_example_sets_nothing() -> None:
    lines = EXAMPLE.read_text("utf-8").splitlines()
    assert all(not line or line.startswith("#") for line in lines)
    assert read_settings(_env_file=EXAMPLE) == read_settings(_env_file=None)


def test_the_example_is_valid_when_all_of_it_is_taken(tmp_path: Path) -> None:
    taken = tmp_path / "taken.env"
    taken.write_text("".join(f"{name}={value}\n" for name, value in listed().items()))
    assert read_settings(_env_file=taken) == read_settings(_env_file=None)


def settings_with(group: str, **given: Any) -> Settings:
    return read_settings(_env_file=None, **{group: given})


@pytest.mark.parametrize("name", [*MODELS, "auto"])
async def test_every_model_can_be_chosen(name: str) -> None:
    settings = settings_with(
        "llm", provider=name, base_url="http://127.0.0.1:9", api_key=SecretStr("a key")
    )
    async with AsyncExitStack() as stack:
        model = await model_named(settings, stack)
        assert isinstance(model, LLMProvider)
        assert model.card.provider == ("extractive" if name == "auto" else name)


@pytest.mark.parametrize("name", list(STORAGES))
async def test_every_storage_can_be_chosen(name: str) -> None:
    settings = settings_with("storage", provider=name, endpoint="http://127.0.0.1:9")
    async with AsyncExitStack() as stack:
        assert isinstance(storage_named(settings, stack), StorageProvider)


@pytest.mark.parametrize("name", list(RECOMMENDERS))
def test_every_recommender_can_be_chosen(name: str) -> None:
    assert isinstance(recommender_named(settings_with("recommender", provider=name))(), Recommender)


async def test_a_name_nobody_answers_to_is_refused_with_those_that_exist() -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(BadSettings, match="extractive, llamacpp, ollama, openai"):
            await model_named(settings_with("llm", provider="oracle"), stack)
        with pytest.raises(BadSettings, match="local, s3"):
            storage_named(settings_with("storage", provider="tape"), stack)
    with pytest.raises(BadSettings, match="tfidf"):
        recommender_named(settings_with("recommender", provider="oracle"))


def test_a_worker_gives_three_signs_of_life_before_it_is_taken_for_dead() -> None:
    with pytest.raises(BadSettings, match=r"JOBS_STALLED_AFTER .* 180"):
        settings_with("jobs", heartbeat=60, stalled_after=20)
    assert settings_with("jobs", heartbeat=60, stalled_after=180).jobs.stalled_after == 180

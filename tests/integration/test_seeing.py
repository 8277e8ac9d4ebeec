"""What an operator sees: the doctor's findings, and a log that follows a book."""

import json
import logging
from pathlib import Path

import pytest

from app.bootstrap.doctor import Finding, findings
from app.bootstrap.logs import JsonLines, PlainLines
from app.bootstrap.settings import Settings
from app.shared.trace import traced
from tests.database import create_database
from tests.library import settings_for_tests


async def examined(settings: Settings) -> dict[str, Finding]:
    return {finding.part: finding async for finding in findings(settings)}


async def test_the_doctor_finds_a_healthy_library_healthy(
    database_url: str, tmp_path: Path
) -> None:
    found = await examined(settings_for_tests(database_url, tmp_path))
    assert all(finding.ok for finding in found.values())
    assert list(found) == ["settings", "database", "storage", "model"]
    assert not list((tmp_path / "files").rglob("doctor*/*"))


async def test_the_doctor_says_that_a_database_wants_migrating(
    server_url: str, tmp_path: Path
) -> None:
    bare = create_database(server_url, "bare")
    found = await examined(settings_for_tests(bare, tmp_path))
    assert not found["database"].ok
    assert "migrate" in str(found["database"])


async def test_a_model_that_is_away_is_a_warning_only(database_url: str, tmp_path: Path) -> None:
    away = {"provider": "ollama", "base_url": "http://127.0.0.1:9", "timeout": 5}
    found = await examined(settings_for_tests(database_url, tmp_path, llm=away))
    assert not found["model"].ok
    assert not found["model"].needed
    assert "8,192 tokens" in str(found["model"])


@pytest.mark.parametrize("form", [JsonLines(), PlainLines()])
def test_a_line_of_the_log_names_what_it_belongs_to(form: logging.Formatter) -> None:
    record = logging.makeLogRecord({"name": "app", "levelname": "INFO", "msg": "job done"})
    record.seconds = 0.5
    with traced(request_id="r-1"), traced(book_id="b-7"):
        line = form.format(record)
    assert all(said in line for said in ("job done", "r-1", "b-7", "0.5"))
    assert "b-7" not in form.format(record)


def test_a_text_of_others_cannot_forge_a_line() -> None:
    record = logging.makeLogRecord({"name": "app", "msg": "read %s", "args": ("a\nERROR app: b",)})
    assert len(JsonLines().format(record).splitlines()) == 1
    assert json.loads(JsonLines().format(record))["message"] == "read a\nERROR app: b"
    assert all(line.startswith("  ") for line in PlainLines().format(record).splitlines()[1:])

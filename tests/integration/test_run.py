"""`run.py` works from wherever it is called: paths mean that folder, other words nothing but
themselves. The library it starts lies beside a copy of it, in an environment that is there."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.server import ROOT, environment

LINKED = ("app", "benchmarks", "demo", "migrations", "tests", "pyproject.toml")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    for name in ("run.py", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, folder)
    _provide_environment(folder)
    return folder


def _provide_environment(folder: Path) -> None:
    """One whose Python is that of the tests, marked as holding what both locks name."""
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    told = "import json, run; print(json.dumps({'tag': run.TAG, 'locks': [run._fingerprint(lock)"
    told += " for lock in (run.RUNTIME, run.DEVELOPMENT)]}))"
    words = [sys.executable, "-c", told]
    stamp = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    (folder / ".venv" / "installed.json").write_text(stamp.stdout)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder whose files are named like words of commands."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name in ("admin", "grant", "render", "fit"):
        (folder / name).touch()
    return folder


def called(
    library: Path, here: Path, *words: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(library / "run.py"), *words],
        cwd=here,
        env=environment(library, settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_backup_is_written_to_the_folder_it_was_called_in(
    library: Path, elsewhere: Path, database_url: str
) -> None:
    saved = called(library, elsewhere, "backup", "mine/new", DATABASE_URL=database_url)

    assert saved.returncode == 0, saved.stderr
    assert json.loads((elsewhere / "mine" / "new" / "manifest.json").read_text())["rows"]
    assert not (library / "mine").exists()


def test_a_backup_is_looked_for_in_the_folder_it_was_called_in(
    library: Path, elsewhere: Path
) -> None:
    refused = called(library, elsewhere, "restore", "mine")
    assert refused.returncode == 2
    assert f"no manifest.json in {elsewhere.resolve() / 'mine'}" in refused.stderr


def test_a_word_stays_a_word_where_a_file_has_its_name(
    library: Path, elsewhere: Path, database_url: str
) -> None:
    words = ("admin", "grant", "nobody@library.test", "admin")
    told = called(library, elsewhere, *words, DATABASE_URL=database_url)
    assert told.returncode == 1
    assert "invalid choice" not in told.stderr
    assert "nobody@library.test" in told.stderr


def test_a_folder_named_after_an_equals_sign_is_a_path_too(library: Path, elsewhere: Path) -> None:
    (elsewhere / "books").mkdir()
    told = called(library, elsewhere, "demo", "--books=books")
    assert told.returncode == 2
    assert str(elsewhere.resolve() / "books") in "".join(told.stdout.split())


def test_a_benchmark_reads_the_file_of_the_folder_it_was_called_in(
    library: Path, elsewhere: Path
) -> None:
    words = ("bench", "summaries", "--stories=stories.jsonl")
    told = called(library, elsewhere, *words)
    assert told.returncode != 0
    assert str(elsewhere.resolve() / "stories.jsonl") in told.stderr + told.stdout


def test_tests_are_found_in_the_folder_they_were_called_in(library: Path) -> None:
    tests = library / "tests"
    tests.unlink()
    (tests / "room").mkdir(parents=True)
    for name in ("__init__.py", "conftest.py", "database.py"):
        shutil.copy(ROOT / "tests" / name, tests)
    for name in ("test_one.py", "test_two.py"):
        (tests / "room" / name).write_text("def test_it(): ...\n")
    words = ("test", "--collect-only", "-q")

    found = called(library, tests / "room", *words, "test_one.py::test_it")
    all_found = called(library, tests / "room", *words)

    assert "1 test collected" in found.stdout, found.stderr
    assert "2 tests collected" in all_found.stdout, all_found.stderr


def test_a_prompt_is_compared_with_a_file_of_the_folder_it_was_called_in(
    library: Path, elsewhere: Path
) -> None:
    [prompt] = (ROOT / "app" / "domains").glob("*/prompts/tell_consensus.md")
    shutil.copy(prompt, elsewhere / "before.md")
    told = called(library, elsewhere, "prompts", "diff", prompt.stem, "--against", "before.md")
    assert told.returncode == 0, told.stderr
    assert "nothing that a model sees has changed" in told.stdout

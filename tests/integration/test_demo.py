"""The story a newcomer sees first, played to its end."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def told() -> str:
    """What the demo says; it must end well."""
    played = _demo()
    assert played.returncode == 0, played.stdout + played.stderr
    return played.stdout


def test_the_demo_brings_books_in_all_four_formats(told: str) -> None:
    assert "Mira brings 7 books (epub, md, pdf, txt)" in told
    assert len(re.findall(r"✓ .+ (?:epub|md|pdf|txt) +[\d,]+ words", told)) == 7


def test_the_demo_shows_what_the_library_refuses(told: str) -> None:
    assert "409 Conflict  no_copy_available" in told
    assert "403 Forbidden  not_borrowed" in told
    assert "409 Conflict  already_reviewed" in told


def test_the_demo_says_what_readers_think_and_why_a_book_is_recommended(told: str) -> None:
    assert "3.67 of 5 stars from 3 readers" in told
    assert "You like Science" in told


def test_the_demo_loses_nothing_when_the_server_is_killed(told: str) -> None:
    assert "kill -9" in told
    assert "Everything acknowledged is still there" in told
    assert "In flight was the summary" in told or "The summary was too quick" in told


def test_the_demo_ends_with_a_table_and_leaves_nothing_behind(told: str) -> None:
    assert re.search(r"^ +8 books +[\d,]+ +[\d,]+ +\d+ ", told, re.MULTILINE)
    assert "Every step did what it should" in told
    port = re.findall(r"listens on http://127\.0\.0\.1:(\d+)", told)[0]
    assert not _processes_with(f"--port\0{port}")


def _demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "demo", *arguments],
        cwd=ROOT,
        env={**os.environ, "LLM_PROVIDER": "extractive"},
        capture_output=True,
        text=True,
        timeout=280,
    )


def _processes_with(text: str) -> list[str]:
    if not os.path.exists("/proc/self"):
        return []
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = line.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if text in words:
            found.append(words)
    return found


def test_a_folder_without_books_is_no_story(tmp_path: Path) -> None:
    played = _demo("--books", str(tmp_path))
    assert played.returncode == 2
    assert "There is no txt, md, epub or pdf file" in played.stdout

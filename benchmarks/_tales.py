"""Questions whose answers lie at known places: FairytaleQA, which ties each question to a
section of its tale."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.domains.catalog.model import Passage
from app.domains.catalog.service.passages import passages_of_text

_BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True)
class Question:
    """`start` to `end` (excluded) of the tale's text is the section that answers it."""

    tale: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Tale:
    name: str
    text: str
    passages: Sequence[Passage]
    questions: Sequence[Question]

    @property
    def title(self) -> str:
        return self.name.replace("-", " ").capitalize()


def tales(folder: Path) -> list[Tale]:
    """All tales, in order of their names. Questions about several sections are left out."""
    stories = sorted((folder / "stories").glob("*-story.csv"))
    return [_tale(story, folder / "questions") for story in stories]


def _tale(story: Path, questions: Path) -> Tale:
    name = story.name.removesuffix("-story.csv")
    spans: dict[str, tuple[int, int]] = {}
    text = ""
    for row in _rows(story):
        text += _BETWEEN if text else ""
        spans[row["section"]] = (len(text), len(text) + len(row["text"]))
        text += row["text"]
    asked = [
        Question(name, row["question"].strip(), *spans[row["cor_section"]])
        for row in _rows(questions / f"{name}-questions.csv")
        if row["cor_section"] in spans and row["question"].strip()
    ]
    return Tale(name, text, passages_of_text(text), asked)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)

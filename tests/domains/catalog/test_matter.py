"""What of a book is its text, and what is not."""

import pytest

from app.domains.catalog.model import ChapterText
from app.domains.catalog.service.matter import left_out_of, matter_of

PROSE = "The keeper lit the lamp and waited. Nobody came that night, nor the next. " * 40
NAMES = "The Lamp|The Rock|A Storm|The Door|Ships|A Letter|The Boat|Winter|The Stairs|Ash|Salt"
ENTRIES = [f"{name} {'.' * 9} {n * 12 + 3}" for n, name in enumerate(NAMES.split("|"))]
NUMBERED = [f"Chapter {n}. {name}" for n, name in enumerate(NAMES.split("|"), start=1)]
INDEX = [f"{name.lower()}, {n}, {n + 4}–{n + 9}" for n, name in enumerate(NAMES.split("|"))]
IMPRINT = """Copyright © 1999 by A. Keeper. All rights reserved.
First published by Rock & Sons. ISBN 978-0-00-000000-2
Printed on paper."""
VERSE = "\n".join(
    ["The sea is grey,", "the lamp is low,", "and who will say", "which way to go?"] * 9
)


def chapter(title: str, text: str, ordinal: int = 0) -> ChapterText:
    return ChapterText(ordinal, title, 0, len(text), None, text)


@pytest.mark.parametrize(
    ("title", "text", "kind"),
    [
        ("Contents", "Contents\n\n" + "\n".join(ENTRIES), "a table of contents"),
        ("Front matter", "\n".join(ENTRIES), "a table of contents"),
        ("CONTENTS.", "\n".join(NUMBERED), "a table of contents"),
        ("Tartalom", "\n".join(NAMES.split("|")), "a table of contents"),
        ("Inhaltsverzeichnis", "\n".join(ENTRIES), "a table of contents"),
        ("List of Illustrations", "\n".join(NAMES.split("|")), "a table of contents"),
        ("Index", "\n".join(INDEX), "an index"),
        ("Anything", "\n".join(INDEX), "an index"),
        ("Copyright", IMPRINT, "an imprint"),
        ("Front matter", IMPRINT, "an imprint"),
        (
            "Front matter",
            "\n".join(f"CHAPTER {n}. The Sea." for n in range(1, 20)),
            "a table of contents",
        ),
        ("Titlepage", "The Lamp\nBy A. Keeper", "an imprint"),
        ("Plate", "* * *", "a page without words"),
    ],
)
def test_what_tells_nothing_of_the_book_is_known(title: str, text: str, kind: str) -> None:
    assert matter_of(chapter(title, text)) == kind


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Chapter 1", PROSE),
        ("Contents", PROSE),
        ("Index", PROSE),
        ("Copyright", PROSE * 3 + IMPRINT),
        (
            "The trial",
            f"{PROSE[:800]} He had the copyright. Copyright! All rights reserved to him.",
        ),
        ("Poems", VERSE),
        ("Contents", VERSE),
        ("Prices", "\n".join(f"Lamp oil, barrel {n}\t{n * 3}.50 crowns" for n in range(40))),
        ("Prices", "\n".join(f"Lamp oil of the {n}. sort  {n * 37 % 50}" for n in range(40))),
        ("Psalm", "\n".join(f"{n} And the {n} ships went out to sea," for n in range(1, 30))),
        ("Letters", "Dear sister,\nI am well.\nYours, Ash"),
        ("1", "A short beginning."),
        ("Empty", "  \n "),
    ],
)
def test_what_tells_of_the_book_stays(title: str, text: str) -> None:
    assert matter_of(chapter(title, text)) is None


def test_a_book_of_nothing_but_an_index_is_read() -> None:
    index = chapter("Index", "\n".join(INDEX))
    assert left_out_of([index, chapter("", " ", 1)]) == {}
    left_out = left_out_of([index, chapter("One", PROSE, 1)])
    assert {n: (each.title, each.reason) for n, each in left_out.items()} == {
        0: ("Index", "an index")
    }

"""Reading the text of a file: what every extractor promises, then each format."""

from collections.abc import Mapping

import pytest

from app.adapters.extraction.sandbox import SandboxedExtractor
from app.ports.text import (
    MEDIA_TYPES,
    Document,
    EmptyFile,
    TextExtractor,
    UnknownFormat,
    UnreadableDocument,
)
from tests.contracts.extraction_samples import (
    ENGLISH,
    GERMAN,
    archive,
    chaptered,
    epub2,
    epub3,
    pdf,
    streamed,
)
from tests.fakes.extractor import PlainTextExtractor

TEXT, MARKDOWN = MEDIA_TYPES["text"], MEDIA_TYPES["markdown"]
PDF, EPUB = MEDIA_TYPES["pdf"], MEDIA_TYPES["epub"]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)
GUTENBERG = (
    "The Project Gutenberg EBook of The Lamp, by Ada Keeper\n\nTitle: The Lamp\n\n"
    "Author: Ada Keeper\n\nRelease Date: May 1, 2003\n\nLanguage: German\n\n"
    "Character set encoding: ISO-8859-1\n\n{start}\n\n\nProduced by A. Volunteer\n\n\n"
    "{body}\n\n\n{end}\n\nSection 1. General Terms of Use: the licence."
)


@pytest.fixture(params=["fake", "sandboxed"])
def extractor(request: pytest.FixtureRequest) -> TextExtractor:
    return PlainTextExtractor() if request.param == "fake" else SandboxedExtractor()


@pytest.fixture
def sandboxed() -> SandboxedExtractor:
    return SandboxedExtractor()


async def read(extractor: TextExtractor, data: bytes, media_type: str = TEXT) -> Document:
    document = await extractor.extract(streamed(data), media_type)
    assert_sound(document)
    return document


def assert_sound(document: Document) -> None:
    """The promises of `Document`."""
    assert [chapter.start for chapter in document.chapters] == [
        0,
        *(chapter.end for chapter in document.chapters[:-1]),
    ]
    assert document.chapters[-1].end == len(document.text)
    assert all(chapter.title.strip() for chapter in document.chapters)
    assert document.words > 0
    assert document.language is None or len(document.language) == 2
    assert not set(document.text) & {"\0", "\r"}
    document.text.encode()


def titles(document: Document) -> list[str]:
    return [chapter.title for chapter in document.chapters]


async def test_chapters_cover_the_text_in_order(extractor: TextExtractor) -> None:
    document = await read(extractor, chaptered().encode())
    assert titles(document) == ["CHAPTER 1", "CHAPTER 2", "CHAPTER 3"]
    assert document.language == "en"
    first = document.chapters[0]
    assert document.text[first.start : first.end].startswith("CHAPTER 1\n\nThe old lighthouse")


async def test_text_before_the_first_chapter_is_front_matter(extractor: TextExtractor) -> None:
    document = await read(extractor, f"For my mother.\n\n\n{chaptered()}".encode())
    assert titles(document)[:2] == ["Front matter", "CHAPTER 1"]


async def test_a_text_without_headings_is_one_chapter(extractor: TextExtractor) -> None:
    assert titles(await read(extractor, ENGLISH.encode())) == ["Text"]


async def test_windows_line_ends_and_nul_are_cleaned(extractor: TextExtractor) -> None:
    document = await read(extractor, b"One line.\r\nAnother\0 line.")
    assert document.text == "One line.\nAnother line."


@pytest.mark.parametrize("data", [b"", b" \n\t\r\n ", b"\xef\xbb\xbf"[:0] + b"\n"])
async def test_nothing_but_space_is_no_text(extractor: TextExtractor, data: bytes) -> None:
    with pytest.raises(UnreadableDocument) as failure:
        await extractor.extract(streamed(data), TEXT)
    assert failure.value.reason == "no_text"


async def test_only_known_media_types_are_read(extractor: TextExtractor) -> None:
    with pytest.raises(UnknownFormat):
        await extractor.extract(streamed(b"text"), "image/png")


def test_an_empty_file_is_refused(extractor: TextExtractor) -> None:
    with pytest.raises(EmptyFile):
        extractor.recognise(b"", "book.txt")


def test_the_name_tells_markdown_from_text(extractor: TextExtractor) -> None:
    assert extractor.recognise(b"# Title", "notes.md") == MARKDOWN
    assert extractor.recognise(b"# Title", "notes.txt") == TEXT


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (b"%PDF-1.7\n...", "book.txt", PDF),
        (b"\n\njunk\n%PDF-1.4\n...", "book.pdf", PDF),
        (epub3(), "book.zip", EPUB),
        (archive({"META-INF/container.xml": "x"}, first=None), "book.epub", EPUB),
        ("Grüße".encode(), "a.pdf", TEXT),
        ("Grüße".encode("utf-16"), "a.txt", TEXT),
        ("Grüße".encode("latin-1"), "a.txt", TEXT),
        ("привет".encode("koi8-r"), "a.txt", TEXT),
    ],
)
def test_content_tells_the_format(
    sandboxed: SandboxedExtractor, data: bytes, name: str, expected: str
) -> None:
    assert sandboxed.recognise(data[: 2**16], name) == expected


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (PNG, "book.txt"),
        (b"MZ\x90\0\x03\0\0\0", "book.epub"),
        (b"\x7fELF\x02\x01", "book.md"),
        (b"\xff\xd8\xff\xe0 JFIF", "book.pdf"),
        (b"\x1f\x8b\x08\x08 gzip", "book.txt"),
        (b"Rar!\x1a\x07", "book.txt"),
        (archive({"word/document.xml": "x"}, first=None), "book.epub"),
        (archive({"a": "x"}, first="application/vnd.oasis.opendocument.text"), "book.epub"),
        (b"<!DOCTYPE html><html><p>Hello", "book.txt"),
        (b'\xef\xbb\xbf<?xml version="1.0"?><FictionBook/>', "book.txt"),
        (b"{\\rtf1 Hello}", "book.txt"),
        (bytes(range(1, 256)) * 4, "book.txt"),
    ],
)
def test_what_cannot_be_read_is_refused_whatever_its_name(
    sandboxed: SandboxedExtractor, data: bytes, name: str
) -> None:
    with pytest.raises(UnknownFormat):
        sandboxed.recognise(data[: 2**16], name)


@pytest.mark.parametrize(
    ("data", "notes"),
    [
        (GERMAN.encode(), ()),
        (GERMAN.encode("utf-8-sig"), ()),
        (GERMAN.encode("utf-16"), ()),
        (f"\ufeff{GERMAN}".encode("utf-16-be"), ()),
        ((GERMAN * 20).encode("cp1252"), ("encoding_guessed",)),
    ],
)
async def test_text_is_read_in_its_encoding(
    sandboxed: SandboxedExtractor, data: bytes, notes: tuple[str, ...]
) -> None:
    document = await read(sandboxed, data)
    assert document.text.startswith(GERMAN)
    assert (document.language, document.notes) == ("de", notes)


async def test_utf8_cut_inside_a_character_is_still_utf8(sandboxed: SandboxedExtractor) -> None:
    document = await read(sandboxed, f"{GERMAN} ü".encode()[:-1])
    assert document.text == GERMAN
    assert document.notes == ()


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (
            "*** START OF THIS PROJECT GUTENBERG EBOOK THE LAMP ***",
            "End of Project Gutenberg's The Lamp\n\n*** END OF THIS PROJECT GUTENBERG EBOOK ***",
        ),
        (
            "***START OF THE PROJECT GUTENBERG EBOOK THE\nLAMP***",
            "***END OF THE PROJECT GUTENBERG EBOOK THE LAMP***",
        ),
        (
            "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*",
            "End of the Project Gutenberg Etext of The Lamp",
        ),
    ],
)
async def test_gutenbergs_frame_is_not_part_of_the_book(
    sandboxed: SandboxedExtractor, start: str, end: str
) -> None:
    whole = GUTENBERG.format(start=start, end=end, body=chaptered("Kapitel", body=GERMAN))
    document = await read(sandboxed, whole.encode("latin-1"))
    assert "gutenberg" not in document.text.lower()
    assert "licence" not in document.text
    assert titles(document) == ["Kapitel 1", "Kapitel 2", "Kapitel 3"]
    said = document.metadata
    assert (said.title, said.author, said.year_published) == ("The Lamp", "Ada Keeper", None)
    assert (document.language, document.notes) == ("de", ())


async def test_a_table_of_contents_is_not_taken_for_chapters(
    sandboxed: SandboxedExtractor,
) -> None:
    contents = "\n\n".join(["CONTENTS", *(f"CHAPTER {number}" for number in range(1, 4))])
    document = await read(sandboxed, f"{contents}\n\n\n{chaptered()}".encode())
    assert titles(document) == ["Front matter", "CHAPTER 1", "CHAPTER 2", "CHAPTER 3"]


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("BOOK {n}\n\nCHAPTER I", "CHAPTER"),
        ("Chapitre {n}", "Chapitre"),
        ("Capítulo {n}. El faro", "Capítulo"),
        ("LETTER {n}", "LETTER"),
        ("{n}. The Lamp", ""),
    ],
)
async def test_headings_are_known_in_many_forms(
    sandboxed: SandboxedExtractor, heading: str, expected: str
) -> None:
    body = "\n\n".join([ENGLISH] * 8)
    text = "\n\n\n".join(f"{heading.format(n=n)}\n\n{body}" for n in range(1, 4))
    document = await read(sandboxed, text.encode())
    assert len(document.chapters) == 3
    assert all(expected in title for title in titles(document))


async def test_parts_lend_their_name_to_their_chapters(sandboxed: SandboxedExtractor) -> None:
    parts = [f"{part}\n\n\n{chaptered('SCENE', 2)}" for part in ("ACT I", "ACT II")]
    document = await read(sandboxed, "\n\n\n".join(parts).encode())
    assert titles(document) == [
        "ACT I · SCENE 1",
        "ACT I · SCENE 2",
        "ACT II · SCENE 1",
        "ACT II · SCENE 2",
    ]


async def test_roman_numerals_alone_are_chapters(sandboxed: SandboxedExtractor) -> None:
    body = "\n\n".join([ENGLISH] * 8)
    text = "\n\n\n".join(f"{numeral}.\n\n{body}" for numeral in ("I", "II", "III"))
    assert titles(await read(sandboxed, text.encode())) == ["I.", "II.", "III."]


async def test_a_numbered_list_is_not_a_book_of_chapters(sandboxed: SandboxedExtractor) -> None:
    text = f"{ENGLISH}\n\n1. Oil\n\n2. Wick\n\n3. Matches\n\n{ENGLISH}"
    assert titles(await read(sandboxed, text.encode())) == ["Text"]


async def test_markdown_headings_and_front_matter(sandboxed: SandboxedExtractor) -> None:
    text = (
        "---\ntitle: The Lamp\nauthor: Ada Keeper\nlanguage: en\ndate: 1987-05-01\n"
        "tags: [sea, light]\n---\n# The Lamp\n\n## One\n\nText.\n\n```\n## no heading\n```\n\n"
        "Two\n---\n\nMore text.\n"
    )
    document = await read(sandboxed, text.encode(), MARKDOWN)
    assert titles(document) == ["One", "Two"]
    assert document.text.startswith("# The Lamp")
    said = document.metadata
    assert (said.title, said.author, said.year_published) == ("The Lamp", "Ada Keeper", 1987)
    assert (said.subjects, document.language) == (("sea", "light"), "en")


async def test_an_epub_3_is_read_in_the_order_of_its_spine(sandboxed: SandboxedExtractor) -> None:
    document = await read(sandboxed, epub3(), EPUB)
    assert titles(document) == ["The Lamp", "The Storm"]
    assert document.text.startswith("The Lamp\n\nThe old lighthouse keeper")
    assert "oil\n\nwick" in document.text
    assert "by its lights.\nAnd then the wind came." in document.text
    assert not {"no()", "color", "Contents"} & set(document.text.split())


async def test_an_epub_says_who_wrote_it(sandboxed: SandboxedExtractor) -> None:
    document = await read(sandboxed, epub3(), EPUB)
    said = document.metadata
    assert (said.title, said.author, said.isbn) == ("The Lighthouse", "Ada Keeper", "9780306406157")
    assert (said.year_published, said.subjects) == (1987, ("Sea",))
    assert (said.description, document.language) == ("A quiet book.", "en")


async def test_an_epub_2_with_doctypes_and_anchors_is_read(sandboxed: SandboxedExtractor) -> None:
    document = await read(sandboxed, epub2(), EPUB)
    assert titles(document) == ["One", "Two"]
    assert "Fish & chips—The old" in document.text


@pytest.mark.parametrize(
    ("outline", "expected"),
    [
        ({"The Lamp": 0, "The Storm": 2}, [("The Lamp", 1), ("The Storm", 3)]),
        ({}, [("The Lighthouse", 1)]),
    ],
)
async def test_a_pdfs_outline_gives_its_chapters(
    sandboxed: SandboxedExtractor, outline: Mapping[str, int], expected: list[tuple[str, int]]
) -> None:
    pages = [ENGLISH.replace(". ", ".\n")] * 4
    document = await read(sandboxed, pdf(pages, outline=outline), PDF)
    assert [(chapter.title, chapter.page) for chapter in document.chapters] == expected
    assert document.text.count("ships go by") == 4
    said = document.metadata
    assert (said.title, said.author, said.subjects) == ("The Lighthouse", "Ada Keeper", ("Sea",))
    assert document.language == "en"


async def test_a_pdf_without_outline_or_headings_is_cut_by_pages(
    sandboxed: SandboxedExtractor,
) -> None:
    document = await read(sandboxed, pdf([ENGLISH] * 45), PDF)
    assert titles(document) == ["Pages 1–20", "Pages 21–40", "Pages 41–45"]
    assert [chapter.page for chapter in document.chapters] == [1, 21, 41]


async def test_words_of_languages_without_spaces_are_their_characters(
    sandboxed: SandboxedExtractor,
) -> None:
    document = await read(sandboxed, "草枕 by Sōseki's friend".encode())
    assert document.words == 5

"""Files that are broken, locked or meant to do harm: each ends with a document or a true
reason, the process that asked lives on, and nothing is left behind."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from app.adapters.extraction.limits import Limits
from app.adapters.extraction.sandbox import ExtractionUnavailable, SandboxedExtractor
from app.ports.text import MEDIA_TYPES, Document, EmptyFile, UnknownFormat, UnreadableDocument
from benchmarks.campaigns._children import readers_of
from benchmarks.campaigns._hostile_samples import REASONS
from tests.contracts.extraction_samples import (
    CONTAINER,
    ENGLISH,
    archive,
    chaptered,
    epub3,
    opf,
    pdf,
    raw_pdf,
    streamed,
    xhtml,
)

TEXT, PDF, EPUB = MEDIA_TYPES["text"], MEDIA_TYPES["pdf"], MEDIA_TYPES["epub"]
DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
_MORE = (f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise("abcdefghi"))
LAUGHS = f'<!DOCTYPE p [<!ENTITY a "ha">{"".join(_MORE)}]>'
STRICT = Limits(cpu_seconds=2, wall_seconds=20)
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


@pytest.fixture(autouse=True)
def nothing_is_left_behind(tmp_path: Path) -> Iterator[None]:
    yield
    assert list(tmp_path.iterdir()) == []
    assert readers_of(os.getpid()) == []


@pytest.fixture
def strict(tmp_path: Path) -> SandboxedExtractor:
    return SandboxedExtractor(limits=STRICT, scratch=tmp_path)


def limited(tmp_path: Path, limits: Limits) -> SandboxedExtractor:
    return SandboxedExtractor(limits=limits, scratch=tmp_path)


async def outcome(extractor: SandboxedExtractor, data: bytes, media_type: str) -> str:
    """`read`, or the reason why not; a document that is given has to be sound."""
    try:
        document = await extractor.extract(streamed(data), media_type)
    except UnreadableDocument as failure:
        return _true_reason(failure)
    assert document.chapters[-1].end == len(document.text) > 0
    return "read"


def _true_reason(failure: UnreadableDocument) -> str:
    assert failure.reason in REASONS
    assert failure.detail
    return failure.reason


def heavy_pdf() -> bytes:
    """Two thousand pages that share one long content stream."""
    line = b"BT /F 1 Tf " + b"(abc)Tj 1 0 0 1 2 3 Tm " * 20_000 + b"ET"
    return raw_pdf([line], pages_of_each=2_000)


async def test_a_library_goes_on_after_a_hostile_file(strict: SandboxedExtractor) -> None:
    assert await outcome(strict, heavy_pdf(), PDF) == "too_complex"
    assert await outcome(strict, ENGLISH.encode(), TEXT) == "read"


async def test_a_locked_pdf_is_called_encrypted(strict: SandboxedExtractor) -> None:
    assert await outcome(strict, pdf([ENGLISH], password="secret"), PDF) == "encrypted"


async def test_a_pdf_without_text_is_called_that(strict: SandboxedExtractor) -> None:
    assert await outcome(strict, raw_pdf([b"0 0 100 100 re f"]), PDF) == "no_text"


async def test_one_broken_page_does_not_cost_the_others(strict: SandboxedExtractor) -> None:
    good = b"BT /F 10 Tf 40 700 Td (A page that can be read.) Tj ET"
    data = raw_pdf([good, b"X" * 20, good])
    broken = data.replace(b"<</Length 20>>stream", b"<</Filter/FlateDecode/Length 20>>stream")
    document = await strict.extract(streamed(broken), PDF)
    assert document.text.count("can be read") == 2


NO_BOOKS = [
    b"",
    b"PK\x03\x04",
    b"not a zip",
    archive({"a": "b"}),
    archive({"META-INF/container.xml": "<"}),
]


@pytest.mark.parametrize("data", NO_BOOKS)
async def test_a_zip_that_is_no_book_is_corrupt(strict: SandboxedExtractor, data: bytes) -> None:
    assert await outcome(strict, data, EPUB) == "corrupt"


DRM = (
    '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"'
    ' xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:EncryptedData>'
    '<e:EncryptionMethod Algorithm="{algorithm}"/></e:EncryptedData></encryption>'
)


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "encrypted"),
        ("http://www.idpf.org/2008/embedding", "read"),
    ],
)
async def test_drm_is_told_from_hidden_fonts(
    strict: SandboxedExtractor, algorithm: str, expected: str
) -> None:
    data = epub3(extra={"META-INF/encryption.xml": DRM.format(algorithm=algorithm)})
    assert await outcome(strict, data, EPUB) == expected


async def test_an_epub_that_inflates_without_end_is_too_large(strict: SandboxedExtractor) -> None:
    assert await outcome(strict, epub3({"One": "<p>a</p>" * 2**22}), EPUB) == "too_large"


async def test_inflated_bytes_are_counted_over_all_members(tmp_path: Path) -> None:
    extractor = limited(tmp_path, Limits(inflated_bytes=2**20))
    noise = random.Random(1).randbytes(200_000).hex()
    data = epub3({f"Chapter {number}": f"<p>{noise}</p>" for number in range(4)})
    assert await outcome(extractor, data, EPUB) == "too_large"


async def test_an_epub_of_too_many_members_is_too_large(strict: SandboxedExtractor) -> None:
    data = epub3(extra={f"extra/{number}.txt": "x" for number in range(2_001)})
    assert await outcome(strict, data, EPUB) == "too_large"


async def test_only_the_compression_of_epub_is_unpacked(strict: SandboxedExtractor) -> None:
    item = '<item id="b" href="bomb.xhtml" media-type="application/xhtml+xml"/>'
    files = {
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": opf(item, '<itemref idref="b"/>'),
        "OEBPS/bomb.xhtml": "<p>" * 2**20,
    }
    data = archive(files, method=zipfile.ZIP_BZIP2)
    assert await outcome(strict, data, EPUB) == "corrupt"


async def test_entities_that_multiply_are_not_expanded(strict: SandboxedExtractor) -> None:
    package = opf("", "", head=LAUGHS).replace("The Lighthouse", "&i;")
    assert await outcome(strict, _packed(package), EPUB) == "corrupt"
    page = xhtml("One", "<p>&i;</p>", LAUGHS)
    assert await outcome(strict, epub3(extra={"OEBPS/c1.xhtml": page}), EPUB) == "corrupt"


async def test_no_file_is_fetched_for_an_entity(strict: SandboxedExtractor, tmp_path: Path) -> None:
    secret = 'x [<!ENTITY secret SYSTEM "file:///etc/hostname">]'
    page = xhtml("One", "<p>&secret;</p>", f"<!DOCTYPE {secret}>")
    assert await outcome(strict, epub3(extra={"OEBPS/c1.xhtml": page}), EPUB) == "corrupt"


@pytest.mark.parametrize("soup", ["<a ", '<a x="', "<!--", "<![", "&#", "</"])
async def test_tag_soup_without_end_costs_no_more_than_its_limit(
    strict: SandboxedExtractor, soup: str
) -> None:
    ending = await outcome(strict, epub3(extra={"OEBPS/c1.xhtml": soup * 200_000}), EPUB)
    assert ending in {"read", "too_complex", "too_large"}


async def test_a_chapter_that_is_no_text_is_left_out_and_told_of(
    strict: SandboxedExtractor,
) -> None:
    data = epub3(extra={"OEBPS/c1.xhtml": "PK\x03\x04\0\0 many words in a row"})
    document = await strict.extract(streamed(data), EPUB)
    assert "many words" not in document.text
    assert "documents_unreadable:1" in document.notes


async def test_links_out_of_the_archive_lead_nowhere(strict: SandboxedExtractor) -> None:
    targets = ("../../../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "..\\c1.xhtml")
    items = "".join(
        f'<item id="i{n}" href="{target}" media-type="application/xhtml+xml"/>'
        for n, target in enumerate(targets)
    )
    refs = "".join(f'<itemref idref="i{n}"/>' for n in range(len(targets)))
    assert await outcome(strict, _packed(opf(items, refs)), EPUB) == "corrupt"


def _packed(package: str) -> bytes:
    return archive({"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": package})


async def test_the_clock_ends_what_the_processor_limit_does_not(tmp_path: Path) -> None:
    extractor = limited(tmp_path, Limits(wall_seconds=1.5))
    assert await outcome(extractor, heavy_pdf(), PDF) == "too_complex"


async def test_memory_is_bounded(tmp_path: Path) -> None:
    extractor = limited(tmp_path, Limits(memory_mib=160))
    data = (ENGLISH + "\n").encode() * 300_000
    assert await outcome(extractor, data, TEXT) == "too_complex"


async def test_output_is_bounded(tmp_path: Path) -> None:
    extractor = limited(tmp_path, Limits(characters=1_000, pages=3))
    assert await outcome(extractor, chaptered().encode(), TEXT) == "too_large"
    assert await outcome(extractor, pdf(["short"] * 4), PDF) == "too_large"


async def test_a_child_that_cannot_start_is_not_the_files_fault(tmp_path: Path) -> None:
    with pytest.raises(ExtractionUnavailable):
        await limited(tmp_path, Limits(memory_mib=1)).extract(streamed(b"text"), TEXT)


@linux
async def test_a_killed_child_is_a_file_that_was_too_much(strict: SandboxedExtractor) -> None:
    reading = asyncio.create_task(outcome(strict, heavy_pdf(), PDF))
    os.kill(await _first_child(), signal.SIGKILL)
    # It may be struck before it gave its sign of life.
    with suppress(ExtractionUnavailable):
        assert await reading == "too_complex"


@linux
async def test_cancelling_kills_the_child(strict: SandboxedExtractor) -> None:
    reading = asyncio.create_task(outcome(strict, heavy_pdf(), PDF))
    child = await _first_child()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert child not in readers_of(os.getpid())


@linux
async def test_no_more_children_run_than_there_are_places(tmp_path: Path) -> None:
    limits = Limits(wall_seconds=1)
    extractor = SandboxedExtractor(limits=limits, children=2, scratch=tmp_path)
    readings = [asyncio.create_task(outcome(extractor, heavy_pdf(), PDF)) for _ in range(4)]
    most = 0
    while not all(reading.done() for reading in readings):
        most = max(most, len(readers_of(os.getpid())))
        await asyncio.sleep(0.05)
    assert most == 2
    assert {reading.result() for reading in readings} == {"too_complex"}


async def _first_child() -> int:
    found: list[int] = []
    while not found:
        await asyncio.sleep(0.01)
        found = readers_of(os.getpid())
    return found[0]


async def test_a_stream_that_fails_leaves_nothing(strict: SandboxedExtractor) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"some text"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await strict.extract(failing(), TEXT)


@linux
def test_a_confined_process_writes_no_file_and_knows_no_secret(tmp_path: Path) -> None:
    script = (
        "import sys, os; sys.path[:] = eval(sys.argv[1])\n"
        "from app.adapters.extraction.confinement import confine\n"
        "from app.adapters.extraction.limits import Limits\n"
        "confine(Limits(), parent=os.getppid())\n"
        "print(len(os.environ))\n"
        "with open('/dev/null', 'wb') as sink: sink.write(b'x')\n"
        "file = open(sys.argv[2], 'wb', buffering=0)\n"
        "os.unlink(sys.argv[2])\n"
        "try: file.write(b'x')\n"
        "except OSError: print('refused')\n"
    )
    command = [sys.executable, "-I", "-S", "-c", script, repr(sys.path), str(tmp_path / "x")]
    done = subprocess.run(command, env={}, capture_output=True, text=True, check=True)
    assert done.stdout.split() in (["0", "refused"], ["1", "refused"])


CHAPTERS = {
    "1080": (1, 1),
    "11": (12, 13),
    "1232": (27, 29),
    "1322": (35, 37),
    "132": (13, 16),
    "14838": (1, 1),
    "1524": (20, 22),
    "19942": (30, 33),
    "22367": (3, 4),
    "2600": (360, 385),
    "2701": (135, 141),
    "36": (26, 29),
    "55": (24, 26),
    "5827": (15, 18),
    "8800": (99, 104),
    "944": (21, 24),
    "996": (126, 132),
}


@pytest.mark.real_data
@pytest.mark.skipif(not DATA.is_dir(), reason="the real books are not here")
class TestRealFiles:
    @pytest.mark.parametrize(("number", "expected"), CHAPTERS.items())
    async def test_a_books_chapters_are_found_and_the_licence_is_not(
        self, tmp_path: Path, number: str, expected: tuple[int, int]
    ) -> None:
        path = next((DATA / "texts").glob(f"{number}_*.txt"))
        document = await _read_whole(_patient(tmp_path), path)
        assert isinstance(document, Document)
        assert expected[0] <= len(document.chapters) <= expected[1]
        assert "Gutenberg-tm" not in document.text
        assert document.metadata.title
        assert document.metadata.author
        assert document.language == ("de" if number == "22367" else "en")

    async def test_whole_books_of_every_format_are_read(self, tmp_path: Path) -> None:
        books = sorted((DATA / "epub" / "books").glob("*.epub"))
        books.append(DATA / "pdf" / "whole_books" / "alice_11.pdf")
        for book in books:
            document = await _read_whole(_patient(tmp_path), book)
            assert isinstance(document, Document), book.name
            assert document.words > 20_000
            assert len(document.chapters) >= 5


def _patient(scratch: Path) -> SandboxedExtractor:
    return limited(scratch, Limits(cpu_seconds=20, wall_seconds=60))


async def _read_whole(extractor: SandboxedExtractor, path: Path) -> Document | str:
    data = await asyncio.to_thread(path.read_bytes)
    try:
        media_type = extractor.recognise(data[: 2**16], path.name)
        return await extractor.extract(streamed(data), media_type)
    except UnreadableDocument as failure:
        return _true_reason(failure)
    except (UnknownFormat, EmptyFile):
        return "refused"

"""EPUB 2 and 3: the documents of the spine in order, chapters from the table of contents."""

from collections.abc import Iterator
from typing import BinaryIO
from xml.etree.ElementTree import Element

from app.adapters.extraction.archive import Archive, MemberMissing
from app.adapters.extraction.contents import Entry, read_nav, read_ncx
from app.adapters.extraction.limits import Limits
from app.adapters.extraction.manuscript import Manuscript, Mark, outlined
from app.adapters.extraction.package import Package, every, parse_xml, read_package
from app.adapters.extraction.xhtml import Unparsable, read_page
from app.ports.text import UnreadableDocument

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_FONT_OBFUSCATION = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")

Places = dict[tuple[str, str], int]


def read(file: BinaryIO, limits: Limits) -> Manuscript:
    archive = Archive(file, limits)
    _refuse_locked(archive)
    path = _package_path(archive)
    package = read_package(_needed(archive, path), path)
    manuscript = Manuscript(limits.characters)
    manuscript.metadata = package.metadata
    places, titled = _read_spine(archive, package, manuscript)
    listed = [mark for entry in _entries(archive, package) for mark in _marks(entry, places)]
    marks = listed if len({mark.start for mark in listed}) > 1 else titled
    manuscript.marks = outlined(marks, manuscript.length)
    return manuscript


def _refuse_locked(archive: Archive) -> None:
    if _ENCRYPTION not in archive:
        return
    methods = every(parse_xml(_needed(archive, _ENCRYPTION)), "EncryptedData")
    if not all(_is_font(data) for data in methods):
        raise UnreadableDocument("encrypted", "The EPUB is protected by DRM.")


def _is_font(encrypted: Element) -> bool:
    method = next(every(encrypted, "EncryptionMethod"), None)
    return method is not None and method.get("Algorithm") in _FONT_OBFUSCATION


def _package_path(archive: Archive) -> str:
    rootfile = next(every(parse_xml(_needed(archive, _CONTAINER)), "rootfile"), None)
    return rootfile.get("full-path", "") if rootfile is not None else ""


def _needed(archive: Archive, name: str) -> bytes:
    try:
        return archive.read(name)
    except MemberMissing as error:
        raise UnreadableDocument(
            "corrupt", "The EPUB lacks a part it cannot do without."
        ) from error


def _read_spine(
    archive: Archive, package: Package, manuscript: Manuscript
) -> tuple[Places, list[Mark]]:
    """Where every document and every id in it lies, and the documents' own headings."""
    places: Places = {}
    titled: list[Mark] = []
    unreadable = 0
    for path in package.spine:
        try:
            page = read_page(archive.read(path))
        except (MemberMissing, Unparsable):
            unreadable += 1
            continue
        if not page.text:
            continue
        start = manuscript.length
        places[path, ""] = start
        places.update(((path, anchor), start + place) for anchor, place in page.anchors.items())
        if page.title:
            titled.append(Mark(start, page.title))
        manuscript.write(page.text)
    _judge(unreadable, len(package.spine), manuscript)
    return places, titled


def _judge(unreadable: int, documents: int, manuscript: Manuscript) -> None:
    if documents and unreadable == documents:
        raise UnreadableDocument("corrupt", "No chapter of the EPUB can be read.")
    if unreadable:
        manuscript.notes.append(f"documents_unreadable:{unreadable}")


def _entries(archive: Archive, package: Package) -> list[Entry]:
    sources = ((package.nav, read_nav), (package.ncx, read_ncx))
    for path, parse in sources:
        try:
            entries = parse(archive.read(path), path) if path else []
        except (MemberMissing, UnreadableDocument):
            continue
        if entries:
            return entries
    return []


def _marks(entry: Entry, places: Places) -> Iterator[Mark]:
    place = places.get((entry.path, entry.fragment), places.get((entry.path, "")))
    if place is not None and entry.title:
        yield Mark(place, entry.title, entry.level)

"""The package document of an EPUB (OPF 2 and 3): what it says of the book, and the order
of its parts."""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.entities import name2codepoint
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from app.ports.text import Metadata, UnreadableDocument
from app.shared.cleaning import clean, one_line

_XHTML = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document")
# Calibre writes year 101 for a date it does not know.
_YEAR = re.compile(r"[12]\d{3}\b")
_ISBN = re.compile(r"(?:97[89])?\d{9}[\dX]")
_TAG = re.compile(r"<[^>]{0,500}>")


@dataclass(frozen=True, slots=True)
class Package:
    """Paths are those of the archive; `spine` is the reading order."""

    metadata: Metadata
    spine: tuple[str, ...]
    nav: str | None
    ncx: str | None


def parse_xml(data: bytes, *, dtd: bool = False) -> Element:
    """The root element. Declared entities are always refused, a DTD unless it is allowed;
    both, and what is not well-formed, raise UnreadableDocument."""
    parser = DefusedXMLParser(forbid_dtd=not dtd, forbid_entities=True, forbid_external=True)
    parser.entity.update({name: chr(code) for name, code in name2codepoint.items()})
    try:
        parser.feed(data)
        root: Element = parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise UnreadableDocument("corrupt", "The EPUB's table of parts is damaged.") from error
    return root


def read_package(data: bytes, path: str) -> Package:
    """Raises UnreadableDocument when it is not well-formed or declares a DTD."""
    root = parse_xml(data)
    items = {item.get("id", ""): item for item in every(root, "item")}
    spine = next(every(root, "spine"), Element("spine"))
    references = [reference.get("idref", "") for reference in every(spine, "itemref")]
    order = [items[reference] for reference in references if reference in items]
    nav = [item for item in items.values() if "nav" in item.get("properties", "").split()]
    ncx = items.get(spine.get("toc", ""))
    return Package(
        metadata=_metadata(root),
        spine=tuple(dict.fromkeys(_path(path, item) for item in order if _readable(item))),
        nav=_path(path, nav[0]) if nav else None,
        ncx=_path(path, ncx) if ncx is not None else None,
    )


def every(element: Element, name: str) -> Iterator[Element]:
    """The element's descendants with this local name, in document order."""
    return (below for below in element.iter() if local(below) == name)


def local(element: Element) -> str:
    # Comments and processing instructions have a function for a tag.
    return str(element.tag).rpartition("}")[2]


def resolve(base: str, href: str) -> tuple[str, str]:
    """(path in the archive, fragment) of a link found in the file at `base`."""
    try:
        parts = urlsplit(href)
    except ValueError:
        return "", ""
    if parts.scheme or parts.netloc:
        return "", ""
    target = unquote(parts.path)
    path = posixpath.normpath(posixpath.join(posixpath.dirname(base), target)) if target else base
    return path, unquote(parts.fragment)


def _readable(item: Element) -> bool:
    return item.get("media-type", "") in _XHTML and "nav" not in item.get("properties", "").split()


def _path(package: str, item: Element) -> str:
    return resolve(package, item.get("href", ""))[0]


def _metadata(root: Element) -> Metadata:
    parent = next(every(root, "metadata"), root)
    return Metadata(
        title=next(_said(parent, "title"), None),
        author=", ".join(_said(parent, "creator")) or None,
        language=next(_said(parent, "language"), None),
        description=_description(parent),
        isbn=next(_isbns(parent), None),
        year_published=_year(parent),
        subjects=tuple(dict.fromkeys(_said(parent, "subject"))),
    )


def _said(parent: Element, name: str) -> Iterator[str]:
    values = (one_line("".join(element.itertext()), 500) for element in every(parent, name))
    return (value for value in values if value)


def _description(parent: Element) -> str | None:
    element = next(every(parent, "description"), None)
    if element is None:
        return None
    # Publishers put escaped HTML in here.
    return " ".join(_TAG.sub(" ", clean("".join(element.itertext())))[:20_000].split()) or None


def _isbns(parent: Element) -> Iterator[str]:
    for element in every(parent, "identifier"):
        text = "".join(element.itertext())
        scheme = " ".join([*element.attrib.values(), text]).lower()
        compact = re.sub(r"[\s-]", "", text.lower().removeprefix("urn:isbn:")).upper()
        if "isbn" in scheme and (
            match := _ISBN.fullmatch(compact.removeprefix("ISBN").lstrip(":"))
        ):
            yield match[0]


def _year(parent: Element) -> int | None:
    dates = list(every(parent, "date"))
    dates.sort(key=lambda element: "publication" not in element.attrib.values())
    for element in dates:
        if match := _YEAR.match("".join(element.itertext()).strip()):
            return int(match[0])
    return None

"""An EPUB's table of contents: the nav document of EPUB 3, the NCX of EPUB 2."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from app.adapters.extraction.package import every, local, parse_xml, resolve
from app.shared.cleaning import one_line

_TYPE = "{http://www.idpf.org/2007/ops}type"
_DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Entry:
    title: str
    path: str
    fragment: str
    level: int


def read_nav(data: bytes, base: str) -> list[Entry]:
    """The entries of the `toc` nav. Raises UnreadableDocument as `parse_xml` does."""
    navs = list(every(parse_xml(data, dtd=True), "nav"))
    toc = next((nav for nav in navs if "toc" in nav.get(_TYPE, "").split()), None)
    lists = [element for element in (toc if toc is not None else ()) if local(element) == "ol"]
    return [entry for top in lists for entry in _listed(top, base, 1)]


def read_ncx(data: bytes, base: str) -> list[Entry]:
    """The entries of the `navMap`. Raises UnreadableDocument as `parse_xml` does."""
    top = next(every(parse_xml(data, dtd=True), "navMap"), None)
    return list(_points(top, base, 1)) if top is not None else []


def _listed(ol: Element, base: str, level: int) -> Iterator[Entry]:
    for item in ol:
        for element in item:
            if local(element) == "a":
                yield _entry(element, element.get("href", ""), base, level)
            elif local(element) == "ol" and level < _DEEPEST:
                yield from _listed(element, base, level + 1)


def _points(parent: Element, base: str, level: int) -> Iterator[Entry]:
    for point in parent:
        if local(point) != "navPoint":
            continue
        label, content = (next(_children(point, name), None) for name in ("navLabel", "content"))
        if label is not None and content is not None:
            yield _entry(label, content.get("src", ""), base, level)
        if level < _DEEPEST:
            yield from _points(point, base, level + 1)


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if local(child) == name)


def _entry(label: Element, href: str, base: str, level: int) -> Entry:
    path, fragment = resolve(base, href)
    return Entry(one_line("".join(label.itertext())), path, fragment, level)

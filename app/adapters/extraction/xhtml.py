"""XHTML → text: paragraphs, headings, lists, tables; what is not for reading is left out.

Expat reads what is well-formed, with the entities of HTML and no others: declared ones are
refused, external ones never fetched. The rest goes to the forgiving parser of HTML.
"""

import re
from html.entities import html5
from html.parser import HTMLParser
from xml.parsers import expat

from typing_extensions import override

from app.ports.text import UnreadableDocument
from app.shared.cleaning import clean, one_line

_BLOCKS = frozenset(
    "address article aside blockquote body caption center dd details div dl dt figcaption figure"
    " footer form h1 h2 h3 h4 h5 h6 header hr li main ol p pre section table tbody tfoot thead"
    " tr ul".split()
)
_DROPPED = frozenset("head script style nav template noscript rt rp svg audio video".split())
_APPARATUS = frozenset("toc landmarks page-list loi lot imprint colophon copyright-page".split())
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
_HEADINGS = frozenset("h1 h2 h3 h4 h5 h6".split())
_SPACE = re.compile(r"[ \t\n\r\f]+")
_BREAK = "\0"
_DECLARED = re.compile(rb"""\A\W{0,3}<\?xml[^>]{0,100}?encoding=["']([\w-]{1,40})["']""")


class Unparsable(Exception):
    """Not even the forgiving parser makes sense of it."""


class Page:
    """The text of one XHTML document as it grows.

    `anchors` has the place of each id in `text`; `title` is the first heading.
    """

    def __init__(self) -> None:
        self.anchors: dict[str, int] = {}
        self.title = ""
        self._blocks: list[str] = []
        self._length = 0
        self._inline: list[str] = []
        self._dropping = 0
        self._preformatted = 0

    @property
    def text(self) -> str:
        return "".join(self._blocks)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._dropping or tag in _DROPPED or _apparatus(attributes):
            self._dropping += tag not in _VOID
            return
        if tag in _BLOCKS:
            self.end_block()
        if anchor := attributes.get("id"):
            self.anchors.setdefault(anchor, self._length)
        self._preformatted += tag == "pre"
        if tag in ("br", "td", "th"):
            self._inline.append(_BREAK if tag == "br" else " ")

    def end(self, tag: str) -> None:
        if self._dropping:
            self._dropping -= tag not in _VOID
            return
        if tag in _HEADINGS and not self.title:
            self.title = one_line("".join(self._inline).replace(_BREAK, " "))
        if tag in _BLOCKS:
            self.end_block()
        self._preformatted = max(0, self._preformatted - (tag == "pre"))

    def write(self, text: str) -> None:
        if not self._dropping:
            self._inline.append(text)

    def end_block(self) -> None:
        text = "".join(self._inline)
        self._inline.clear()
        if not self._preformatted:
            text = _BREAK.join(_SPACE.sub(" ", line).strip() for line in text.split(_BREAK))
        if text.strip(" \n" + _BREAK):
            self._blocks.append(clean(text.replace(_BREAK, "\n")).strip("\n") + "\n\n")
            self._length += len(self._blocks[-1])


def read_page(data: bytes) -> Page:
    """The text of one document. Raises Unparsable, and UnreadableDocument when it
    declares entities."""
    try:
        page = _strictly(data)
    except expat.ExpatError:
        page = _leniently(data)
    page.end_block()
    return page


def _apparatus(attributes: dict[str, str]) -> bool:
    return not _APPARATUS.isdisjoint(attributes.get("epub:type", "").split())


def _strictly(data: bytes) -> Page:
    page = Page()
    parser = expat.ParserCreate()
    # With a foreign DTD expat hands unknown entities over instead of giving up on them.
    parser.UseForeignDTD(True)
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, attributes: page.start(_local(name), attributes)
    parser.EndElementHandler = lambda name: page.end(_local(name))
    parser.CharacterDataHandler = page.write
    parser.SkippedEntityHandler = lambda name, _: page.write(html5.get(f"{name};", ""))
    parser.EntityDeclHandler = _refuse_entity
    parser.Parse(data, True)
    return page


def _refuse_entity(*_: object) -> None:
    raise UnreadableDocument("corrupt", "A chapter declares entities, which books do not need.")


def _local(name: str) -> str:
    return name.rpartition(":")[2].lower()


def _leniently(data: bytes) -> Page:
    declared = _DECLARED.match(data)
    if declared is None and b"\0" in data:
        raise Unparsable
    try:
        text = data.decode(declared[1].decode() if declared else "utf-8", errors="replace")
    except LookupError:
        text = data.decode("utf-8", errors="replace")
    parser = _TagSoup()
    try:
        parser.feed(text)
        parser.close()
    except (AssertionError, ValueError) as error:
        raise Unparsable from error
    return parser.page


class _TagSoup(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.start(_local(tag), {name: value or "" for name, value in attrs})

    @override
    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        self.page.end(_local(tag))

    @override
    def handle_data(self, data: str) -> None:
        self.page.write(data)

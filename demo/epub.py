"""EPUB 3, as https://www.w3.org/TR/epub-33/ asks: one XHTML document a chapter."""

import io
import zipfile
from collections.abc import Iterator
from html import escape
from uuid import NAMESPACE_URL, uuid5

from demo.manuscript import Chapter, Manuscript, marked_up

_CONTAINER = """<?xml version="1.0" encoding="UTF-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="EPUB/package.opf"
 media-type="application/oebps-package+xml"/></rootfiles>
</container>
"""
_PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"
 lang="{language}" xml:lang="{language}">
<head><title>{title}</title></head>
<body>{body}</body>
</html>
"""
_PACKAGE = """<?xml version="1.0" encoding="UTF-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
{metadata}
</metadata>
<manifest>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
{items}
</manifest>
<spine>
{spine}
</spine>
</package>
"""


def epub(book: Manuscript) -> bytes:
    """The same bytes for the same manuscript."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        # First and stored, so that the format can be told from the first bytes.
        _put(archive, "mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        _put(archive, "META-INF/container.xml", _CONTAINER)
        _put(archive, "EPUB/package.opf", _package(book))
        _put(archive, "EPUB/nav.xhtml", _page(book, book.title, _nav(book)))
        for number, chapter in enumerate(book.chapters):
            page = _page(book, chapter.title, _body(chapter))
            _put(archive, f"EPUB/{_name(number)}.xhtml", page)
    return file.getvalue()


def _put(
    archive: zipfile.ZipFile, path: str, content: str, method: int = zipfile.ZIP_DEFLATED
) -> None:
    archive.writestr(zipfile.ZipInfo(path), content, compress_type=method)


def _name(number: int) -> str:
    return f"chapter-{number + 1:03}"


def _package(book: Manuscript) -> str:
    names = [_name(number) for number in range(len(book.chapters))]
    item = '<item id="{0}" href="{0}.xhtml" media-type="application/xhtml+xml"/>'
    return _PACKAGE.format(
        metadata="\n".join(_metadata(book)),
        items="\n".join(item.format(name) for name in names),
        spine="\n".join(f'<itemref idref="{name}"/>' for name in names),
    )


def _metadata(book: Manuscript) -> Iterator[str]:
    identity = uuid5(NAMESPACE_URL, f"{book.author}/{book.title}")
    yield f'<dc:identifier id="id">urn:uuid:{identity}</dc:identifier>'
    yield f"<dc:title>{escape(book.title)}</dc:title>"
    yield f"<dc:creator>{escape(book.author)}</dc:creator>"
    yield f"<dc:language>{book.language}</dc:language>"
    yield f"<dc:date>{book.year}</dc:date>"
    yield f"<dc:description>{escape(book.description)}</dc:description>"
    yield from (f"<dc:subject>{escape(tag)}</dc:subject>" for tag in book.tags)
    yield f'<meta property="dcterms:modified">{book.year}-01-01T00:00:00Z</meta>'


def _nav(book: Manuscript) -> str:
    links = (
        f'<li><a href="{_name(number)}.xhtml">{escape(chapter.title)}</a></li>'
        for number, chapter in enumerate(book.chapters)
    )
    return f'<nav epub:type="toc"><h1>{escape(book.title)}</h1><ol>{"".join(links)}</ol></nav>'


def _body(chapter: Chapter) -> str:
    paragraphs = (f"<p>{marked_up(escape(text))}</p>" for text in chapter.paragraphs)
    return f"<h1>{escape(chapter.title)}</h1>\n" + "\n".join(paragraphs)


def _page(book: Manuscript, title: str, body: str) -> str:
    return _PAGE.format(language=book.language, title=escape(title), body=body)

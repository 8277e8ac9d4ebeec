"""Files made on the spot: books small enough to read, and some that nobody should open."""

import io
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence

from pypdf import PdfWriter

MIMETYPE = "application/epub+zip"
CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/>
</rootfiles></container>"""
ENGLISH = (
    "The old lighthouse keeper climbed the stairs every evening and lit the lamp with care. "
    "From the window he could see the ships go by, and he knew each of them by its lights."
)
GERMAN = (
    "Der alte Leuchtturmwärter stieg jeden Abend die Treppe hinauf und zündete die Lampe an. "
    "Vom Fenster aus sah er die Schiffe vorüberziehen und kannte jedes an seinen Lichtern."
)


async def streamed(data: bytes, piece: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(data), piece):
        yield data[start : start + piece]


def chaptered(word: str = "CHAPTER", count: int = 3, body: str = ENGLISH) -> str:
    """A text of so many chapters, each long enough to be one."""
    paragraphs = "\n\n".join([body] * 8)
    return "\n\n\n".join(f"{word} {number}\n\n{paragraphs}" for number in range(1, count + 1))


def archive(
    files: Mapping[str, str | bytes],
    *,
    first: str | None = MIMETYPE,
    method: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """A ZIP whose first member, stored, is `mimetype` (none if None)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as packed:
        if first is not None:
            packed.writestr("mimetype", first, zipfile.ZIP_STORED)
        for name, content in files.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def xhtml(title: str, body: str, doctype: str = "<!DOCTYPE html>") -> str:
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n{doctype}\n'
        '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops">'
        f"<head><title>{title}</title><style>p {{ color: red }}</style></head>"
        f"<body><h1>{title}</h1>{body}</body></html>"
    )


def epub3(
    chapters: Mapping[str, str] | None = None, extra: Mapping[str, str] | None = None
) -> bytes:
    """An EPUB 3 with a nav document; `extra` files are added, or replace others."""
    return archive({**_epub3_files(chapters or _CHAPTERS), **(extra or {})})


_CHAPTERS = {
    "The Lamp": f"<p>{ENGLISH}</p><ul><li>oil</li><li>wick</li></ul><script>no()</script>",
    "The Storm": f"<p>{ENGLISH}<br/>And then the wind&#160;came.</p>",
}


def _epub3_files(chapters: Mapping[str, str]) -> dict[str, str]:
    names = [f"c{number}.xhtml" for number in range(1, len(chapters) + 1)]
    items = "".join(
        f'<item id="{name}" href="{name}" media-type="application/xhtml+xml"/>' for name in names
    )
    refs = "".join(f'<itemref idref="{name}"/>' for name in names)
    links = "".join(
        f'<li><a href="{name}">{title}</a></li>'
        for name, title in zip(names, chapters, strict=True)
    )
    nav = f'<nav epub:type="toc"><ol>{links}</ol></nav>'
    return {
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": opf(
            f'{items}<item id="nav" href="nav.xhtml" properties="nav"'
            ' media-type="application/xhtml+xml"/>',
            refs,
        ),
        "OEBPS/nav.xhtml": xhtml("Contents", nav),
        **{
            f"OEBPS/{name}": xhtml(title, body)
            for name, (title, body) in zip(names, chapters.items(), strict=True)
        },
    }


def opf(items: str, refs: str, *, toc: str = "", version: str = "3.0", head: str = "") -> str:
    return (
        f'<?xml version="1.0"?>{head}<package xmlns="http://www.idpf.org/2007/opf"'
        f' version="{version}"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        "<dc:title>The Lighthouse</dc:title><dc:creator>Ada Keeper</dc:creator>"
        "<dc:language>en-GB</dc:language><dc:date>1987-05-01</dc:date>"
        "<dc:identifier>urn:isbn:978-0-306-40615-7</dc:identifier><dc:subject>Sea</dc:subject>"
        "<dc:description>&lt;p&gt;A quiet book.&lt;/p&gt;</dc:description>"
        f"</metadata><manifest>{items}</manifest><spine {toc}>{refs}</spine></package>"
    )


def epub2() -> bytes:
    """An EPUB 2: NCX with its legal DOCTYPE, XHTML 1.1 with `&nbsp;`, chapters by anchor."""
    doctype = (
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN"'
        ' "http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd">'
    )
    body = f'<p>{ENGLISH}</p><h2 id="two">Two</h2><p>Fish&nbsp;&amp; chips&mdash;{ENGLISH}</p>'
    points = "".join(
        f'<navPoint id="{number}"><navLabel><text>{title}</text></navLabel>'
        f'<content src="{target}"/></navPoint>'
        for number, (title, target) in enumerate([("One", "all.html"), ("Two", "all.html#two")])
    )
    ncx = (
        '<?xml version="1.0"?><!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN"'
        ' "http://www.daisy.org/z3986/2005/ncx-2005-1.dtd">'
        '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/" version="2005-1">'
        f"<navMap>{points}</navMap></ncx>"
    )
    items = (
        '<item id="all" href="all.html" media-type="application/xhtml+xml"/>'
        '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
    )
    package = opf(items, '<itemref idref="all"/>', toc='toc="ncx"', version="2.0")
    return archive(
        {
            "META-INF/container.xml": CONTAINER,
            "OEBPS/book.opf": package,
            "OEBPS/toc.ncx": ncx,
            "OEBPS/all.html": xhtml("One", body, doctype),
        }
    )


def pdf(
    pages: Sequence[str], *, outline: Mapping[str, int] | None = None, password: str = ""
) -> bytes:
    """A PDF with one line of text per line; `outline` names pages (from 0)."""
    writer = PdfWriter(io.BytesIO(raw_pdf([_content(page) for page in pages])))
    writer.add_metadata({"/Title": "The Lighthouse", "/Author": "Ada Keeper", "/Keywords": "Sea"})
    for title, page in (outline or {}).items():
        writer.add_outline_item(title=title, page_number=page)
    if password:
        writer.encrypt(password)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def raw_pdf(contents: Sequence[bytes], pages_of_each: int = 1) -> bytes:
    """A PDF written by hand: each content stream is shown by so many pages."""
    count = len(contents) * pages_of_each
    kids = " ".join(f"{4 + len(contents) + index} 0 R" for index in range(count))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {count}>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        *(b"<</Length %d>>stream\n%s\nendstream" % (len(data), data) for data in contents),
        *(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents {4 + index // pages_of_each}"
            " 0 R/Resources<</Font<</F 3 0 R>>>>>>".encode()
            for index in range(count)
        ),
    ]
    return _file(objects)


def _content(page: str) -> bytes:
    plain = page.replace("\\", "").replace("(", "[").replace(")", "]")
    lines = " ".join(f"({line})Tj T*" for line in plain.split("\n"))
    return f"BT /F 10 Tf 12 TL 40 780 Td {lines} ET".encode("cp1252", "replace")


def _file(objects: Sequence[bytes]) -> bytes:
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    out += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start)
    return bytes(out)

"""Small files that ask for too much."""

import random
import zipfile
import zlib
from collections.abc import Callable, Mapping
from itertools import pairwise

from benchmarks.campaigns._hostile_seeds import modern_pdf
from tests.contracts.extraction_samples import (
    CONTAINER,
    ENGLISH,
    archive,
    epub3,
    opf,
    raw_pdf,
    xhtml,
)

Bomb = Callable[[random.Random], bytes]

_CHAPTER = "OEBPS/c1.xhtml"


def _with_chapter(page: str) -> bytes:
    return epub3(extra={_CHAPTER: page})


def _laughs(dice: random.Random) -> bytes:
    names = "abcdefghijklmnop"[: dice.randint(4, 16)]
    more = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise(names))
    return _with_chapter(
        xhtml("One", f"<p>&{names[-1]};</p>", f'<!DOCTYPE p [<!ENTITY a "ha">{more}]>')
    )


def _deep_tags(dice: random.Random) -> bytes:
    tag, depth = dice.choice(("div", "span", "ol", "table")), dice.choice((1_000, 30_000, 300_000))
    return _with_chapter(xhtml("One", f"<{tag}>" * depth + "x" + f"</{tag}>" * depth))


def _tag_soup(dice: random.Random) -> bytes:
    soup = dice.choice(("<a ", '<a x="', "<!--", "<![", "&#", "</", "<?", "&lt;<p "))
    return _with_chapter(soup * dice.choice((20_000, 200_000, 2_000_000)))


def _many_attributes(dice: random.Random) -> bytes:
    words = " ".join(f'a{n}="{n}"' for n in range(dice.choice((10_000, 300_000))))
    return _with_chapter(xhtml("One", f"<p {words}>{ENGLISH}</p>"))


def _inflating(dice: random.Random) -> bytes:
    return _with_chapter("<p>a</p>" * 2 ** dice.randint(17, 22))


def _nested_archive(dice: random.Random) -> bytes:
    inner = archive({f"{n}.bin": b"\0" * 2**20 for n in range(dice.randint(1, 20))})
    item = '<item id="z" href="z.xhtml" media-type="application/xhtml+xml"/>'
    return archive(
        {
            "META-INF/container.xml": CONTAINER,
            "OEBPS/book.opf": opf(item, '<itemref idref="z"/>'),
            "OEBPS/z.xhtml": inner,
        }
    )


def _foreign_packing(dice: random.Random) -> bytes:
    method = dice.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    return archive({_CHAPTER: "<p>" * 2**20, "META-INF/container.xml": CONTAINER}, method=method)


def _overlapping(dice: random.Random) -> bytes:
    """One packed member that a thousand entries of the directory name."""
    whole = archive(
        {f"OEBPS/{n:04}.xhtml": "x" * 99 for n in range(dice.randint(10, 1_900))}
        | {_CHAPTER: " " * 2**24}
    )
    return whole.replace(b"OEBPS/0001.xhtml", b"OEBPS/c1.xhtml\0\0")


def _many_members(dice: random.Random) -> bytes:
    return epub3(extra={f"x/{n}": "x" for n in range(dice.randint(1_900, 12_000))})


def _endless_spine(dice: random.Random) -> bytes:
    items = '<item id="a" href="c1.xhtml" media-type="application/xhtml+xml"/>'
    package = opf(items, '<itemref idref="a"/>' * dice.randint(1_000, 200_000))
    return epub3(extra={"OEBPS/book.opf": package})


def _heavy_pages(dice: random.Random) -> bytes:
    line = b"BT /F 1 Tf " + b"(abc)Tj 1 0 0 1 2 3 Tm " * dice.choice((1_000, 20_000)) + b"ET"
    return raw_pdf([line], pages_of_each=dice.choice((20, 500, 4_000)))


def _circling_pages(dice: random.Random) -> bytes:
    data = raw_pdf([b"BT /F 9 Tf (A page)Tj ET"] * 3)
    wrong = dice.choice((b"/Kids[2 0 R]", b"/Kids[2 0 R 2 0 R 7 0 R]", b"/Kids[7 0 R 2 0 R]"))
    return data.replace(b"/Kids[7 0 R 8 0 R 9 0 R]", wrong)


def _circling_places(dice: random.Random) -> bytes:
    data = raw_pdf([b"BT /F 9 Tf (A page)Tj ET"])
    start = data.rpartition(b"startxref\n")[2].partition(b"\n")[0]
    return data.replace(b"trailer<<", b"trailer<</Prev %s/XRefStm %s" % (start, start))


def _circling_streams(dice: random.Random) -> bytes:
    kids = b"2 0 R " * dice.randint(1, 50)
    held = {1: b"<</Type/Catalog/Pages 2 0 R>>", 2: b"<</Type/Pages/Kids[%s]/Count 9>>" % kids}
    return modern_pdf(held, extends="/Extends 7 0 R")


def _deep_objects(dice: random.Random) -> bytes:
    depth = dice.choice((500, 5_000, 200_000))
    opening, closing = dice.choice(((b"[", b"]"), (b"<</A", b">>")))
    deep = opening * depth + closing * depth
    return raw_pdf([b"BT ET"]).replace(b"/Type/Catalog", b"/Type/Catalog/X " + deep)


def _wrapped_streams(dice: random.Random) -> bytes:
    content, layers = b"BT /F 9 Tf (A page)Tj ET " * 2_000, dice.choice((3, 40, 400))
    for _ in range(layers):
        content = zlib.compress(content, 1)
    return _filtered(content, b"[" + b"/FlateDecode" * layers + b"]")


def _inflating_streams(dice: random.Random) -> bytes:
    size = dice.choice((2**22, 2**26, 2**28))
    return _filtered(zlib.compress(b"\0" * size), dice.choice((b"/FlateDecode", b"[/FlateDecode]")))


def _predicted_streams(dice: random.Random) -> bytes:
    columns = dice.choice((0, 1, -5, 2**20, 2**31))
    data = zlib.compress(dice.randbytes(1_000) * 4_000)
    words = b"/FlateDecode/DecodeParms<</Predictor 12/Columns %d/Colors 4>>" % columns
    return _filtered(data, words)


def _huge_map_of_characters(dice: random.Random) -> bytes:
    ranges = b"<0000> <ffff> <0000>\n" * dice.choice((10, 300))
    cmap = b"begincmap\n%d beginbfrange\n%sendbfrange\nendcmap" % (300, ranges)
    data = raw_pdf([b"BT /F 9 Tf (A page)Tj ET", cmap])
    return data.replace(b"/Encoding/WinAnsiEncoding", b"/ToUnicode 5 0 R        ")


def _deep_outline(dice: random.Random) -> bytes:
    data = raw_pdf([b"BT /F 9 Tf (A page)Tj ET"] * 2)
    loop = dice.choice((b"/First 1 0 R/Next 1 0 R", b"/First 1 0 R/Last 1 0 R/Count 99999999"))
    return data.replace(b"/Type/Catalog", b"/Type/Catalog/Outlines 1 0 R/Title(x)" + loop)


def _long_line(dice: random.Random) -> bytes:
    word = dice.choice(("a", "CHAPTER I\n", "# ", "* ", "\u0301", "[", "I.\n\n", "&nbsp;", "1 "))
    return (word * dice.choice((100_000, 3_000_000))).encode()


def _filtered(data: bytes, words: bytes) -> bytes:
    plain = raw_pdf([data])
    return plain.replace(b"<</Length", b"<</Filter %s/Length" % words, 1)


BOMBS: Mapping[str, tuple[str, Bomb]] = {
    "entities that multiply": ("x.epub", _laughs),
    "tags without end": ("x.epub", _deep_tags),
    "tag soup": ("x.epub", _tag_soup),
    "attributes without end": ("x.epub", _many_attributes),
    "an inflating chapter": ("x.epub", _inflating),
    "an archive in an archive": ("x.epub", _nested_archive),
    "foreign packing": ("x.epub", _foreign_packing),
    "overlapping members": ("x.epub", _overlapping),
    "members without end": ("x.epub", _many_members),
    "a spine without end": ("x.epub", _endless_spine),
    "pages that share a heavy stream": ("x.pdf", _heavy_pages),
    "pages in a circle": ("x.pdf", _circling_pages),
    "cross-references in a circle": ("x.pdf", _circling_places),
    "object streams in a circle": ("x.pdf", _circling_streams),
    "objects inside objects": ("x.pdf", _deep_objects),
    "streams packed many times": ("x.pdf", _wrapped_streams),
    "inflating streams": ("x.pdf", _inflating_streams),
    "predictors that lie": ("x.pdf", _predicted_streams),
    "a huge map of characters": ("x.pdf", _huge_map_of_characters),
    "an outline in a circle": ("x.pdf", _deep_outline),
    "one line without end": ("x.md", _long_line),
    "one line without end, plain": ("x.txt", _long_line),
}

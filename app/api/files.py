"""Handing out a stored file: ranges (RFC 9110 §14) and names (RFC 6266)."""

import re
from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote

from starlette.responses import StreamingResponse

from app.domains.catalog.model import Content
from app.ports.storage import ByteRange
from app.shared.errors import RangeNotSatisfiable

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def requested_part(headers: Mapping[str, str], *, size: int, etag: str) -> ByteRange | None:
    """The one range asked for, cut to the file; None for the whole of it, also when the
    caller's copy is of another version. Raises RangeNotSatisfiable, for several ranges too."""
    wanted = headers.get("range")
    if wanted is None or not wanted.startswith("bytes="):
        return None
    if headers.get("if-range") not in (None, f'"{etag}"'):
        return None
    found = _RANGE.fullmatch(wanted.strip())
    if not found or not (found[1] or found[2]):
        raise RangeNotSatisfiable("Ask for one range at a time.", size=size)
    if not found[1]:
        start, end = max(0, size - int(found[2])), size - 1
    else:
        start, end = int(found[1]), min(int(found[2] or size - 1), size - 1)
    if start > end or start >= size:
        raise RangeNotSatisfiable(f"The file has {size} bytes.", size=size)
    return ByteRange(start, end)


def attachment(
    content: Content, part: ByteRange | None, stream: AsyncIterator[bytes]
) -> StreamingResponse:
    length = content.size if part is None else part.end - part.start + 1
    headers = {
        "Content-Length": str(length),
        "Content-Disposition": _disposition(content.filename),
        "Accept-Ranges": "bytes",
        "ETag": f'"{content.sha256}"',
        "Cache-Control": "private, no-cache",
    }
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.end}/{content.size}"
    status = 200 if part is None else 206
    return StreamingResponse(stream, status, headers, media_type=content.media_type)


def _disposition(filename: str) -> str:
    plain = re.sub(r'[^\w .()\'-]|["\\]', "_", filename, flags=re.ASCII)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"

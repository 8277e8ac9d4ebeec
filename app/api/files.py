"""Handing out a stored file: ranges (RFC 9110 §14) and names (RFC 6266)."""

import re
from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote

from starlette.responses import StreamingResponse

from app.domains.catalog.model import Content
from app.ports.storage import ByteRange
from app.shared.errors import RangeNotSatisfiable

_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))", re.ASCII | re.IGNORECASE)


def requested_part(headers: Mapping[str, str], *, size: int, etag: str) -> ByteRange | None:
    """The one range asked for, cut to the file. None for the whole of it: when nothing, or
    nothing understood, or several ranges are asked for (§14.2 allows that), and when the
    caller's copy is of another version. Raises RangeNotSatisfiable."""
    found = _RANGE.fullmatch(headers.get("range", "").strip())
    if found is None or headers.get("if-range") not in (None, f'"{etag}"'):
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        start, end = max(0, size - int(suffix)), size - 1
    else:
        start, end = int(first), int(last or size)
    if end < start < size:
        return None
    if start >= size:
        raise RangeNotSatisfiable(f"The file has {size} bytes.", size=size)
    return ByteRange(start, min(end, size - 1))


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

"""What is no request, whatever it asks for: refused before anything else is looked at.

Stricter than the server, which passes on what it can make sense of: two tokens of which the
gate would check one and somebody else read the other, or an address that two readers would
take apart differently (RFC 9110 §5.3, RFC 9112 §3.2 and §6.3, RFC 3986 §2.1).
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from starlette.types import Scope

from app.shared.errors import LibraryError

MAX_ADDRESS = 8 * 1024
MAX_HEADERS = 100
MAX_HEAD = 16 * 1024
_ONCE = frozenset([b"authorization", b"content-length", b"content-type", b"host"])
_VERSIONS = frozenset(["1.0", "1.1"])
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class MalformedRequest(LibraryError):
    code = "malformed_request"
    title = "That is no HTTP request"


class AddressTooLong(LibraryError):
    code = "address_too_long"
    title = "The address is too long"


class HeadersTooLarge(LibraryError):
    code = "headers_too_large"
    title = "The headers are too large"


def refuse_malformed(scope: Scope) -> None:
    """Raises AddressTooLong, HeadersTooLarge, MalformedRequest."""
    if scope["http_version"] not in _VERSIONS:
        raise MalformedRequest("The library speaks HTTP/1.0 and HTTP/1.1.")
    _check_address(scope.get("raw_path") or scope["path"].encode(), scope["query_string"])
    _check_headers(scope["headers"])


def _check_address(path: bytes, query: bytes) -> None:
    if len(path) + len(query) > MAX_ADDRESS:
        raise AddressTooLong(f"Path and query have {MAX_ADDRESS} bytes at most.")
    if not path.startswith(b"/"):
        raise MalformedRequest("The address of a request is a path.")
    for part in (path, query):
        if b"%" in part:
            _check_escapes(part)


def _check_escapes(part: bytes) -> None:
    if _BROKEN_ESCAPE.search(part):
        raise MalformedRequest("A % in an address is followed by two hexadecimal digits.")
    text = unquote_to_bytes(part)
    if b"\x00" in text:
        raise MalformedRequest("An address has no NUL characters.")
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise MalformedRequest("What is escaped in an address is UTF-8.") from error


def _check_headers(headers: Iterable[tuple[bytes, bytes]]) -> None:
    count, size, single = 0, 0, []
    chunked = False
    for name, value in headers:
        count, size = count + 1, size + len(name) + len(value)
        if name in _ONCE:
            single.append(name)
        chunked = chunked or name == b"transfer-encoding"
    if count > MAX_HEADERS or size > MAX_HEAD:
        raise HeadersTooLarge(f"Send {MAX_HEADERS} headers of {MAX_HEAD} bytes at most.")
    if len(set(single)) < len(single):
        raise MalformedRequest("A header that says one thing comes once.")
    if chunked and b"content-length" in single:
        raise MalformedRequest("A body has a length or comes in chunks.")

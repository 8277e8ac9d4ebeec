"""The kinds of refusal the library knows, free of HTTP and of any vendor.

    LibraryError
    ├── Invalid            the request makes no sense as it stands
    ├── NotAuthenticated   nobody is known to be asking
    ├── Forbidden          somebody is, and may not
    ├── NotFound           there is no such thing
    ├── Conflict           the state of the library forbids it
    ├── PreconditionFailed the caller's copy is out of date
    ├── TooLarge           more than a stated limit
    ├── Unsupported        a kind of file nobody here can read
    ├── RangeNotSatisfiable a part of a file that is not there
    ├── TooMany            later, please (carries the wait)
    └── Unavailable        a part of the system does not answer (carries the wait)

A room's error subclasses one kind, sets `code` (stable, for programs) and `title` (for
people); `detail` says what would work, and `extra` holds members for the answer.
"""

from typing import Any, ClassVar


class LibraryError(Exception):
    """An expected failure: it has a code that never changes and words for a person."""

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "The library cannot do that"

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        self.detail = detail or self.title
        self.extra = extra
        super().__init__(self.detail)


class Invalid(LibraryError):
    code = "validation_failed"
    title = "The request is not valid"


class NotAuthenticated(LibraryError):
    code = "not_authenticated"
    title = "Sign in first"


class Forbidden(LibraryError):
    code = "forbidden"
    title = "You may not do that"


class NotFound(LibraryError):
    code = "not_found"
    title = "There is no such thing"


class Conflict(LibraryError):
    code = "conflict"
    title = "The state of the library forbids that"


class PreconditionFailed(LibraryError):
    code = "precondition_failed"
    title = "Somebody changed it in the meantime"


class TooLarge(LibraryError):
    code = "payload_too_large"
    title = "That is too large"


class Unsupported(LibraryError):
    code = "unsupported_media_type"
    title = "That kind of file cannot be read here"


class RangeNotSatisfiable(LibraryError):
    code = "range_not_satisfiable"
    title = "The file has no such part"


class TooMany(LibraryError):
    code = "too_many_requests"
    title = "Too many requests"

    def __init__(self, detail: str | None = None, *, retry_after: int = 60, **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.retry_after = retry_after


class Unavailable(LibraryError):
    code = "unavailable"
    title = "A part of the library does not answer"

    def __init__(self, detail: str | None = None, *, retry_after: int = 5, **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.retry_after = retry_after

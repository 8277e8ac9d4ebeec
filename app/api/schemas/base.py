"""What all bodies share: unknown fields are refused, and text that no database can hold."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
)

from app.shared.pages import Page


def _storable(text: str) -> str:
    if "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("must not contain NUL characters or lone surrogates")
    return text


def _one_line(text: str) -> str:
    if any(c in text for c in "\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"):
        raise ValueError("must be a single line")
    return text


def _written_out(value: object) -> object:
    if isinstance(value, str) and not (value[:4].isdecimal() and value[4:5] == "-"):
        raise ValueError("must be a date and time as RFC 3339 writes them")
    return value


Storable = AfterValidator(_storable)
# A number alone would be read as seconds since 1970.
Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500),
    Storable,
    AfterValidator(_one_line),
]
Prose = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000), Storable
]


class In(BaseModel):
    """A body that comes in."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Out(BaseModel):
    """A body that goes out."""

    model_config = ConfigDict(from_attributes=True)


Item = TypeVar("Item")
Source = TypeVar("Source")


class PageOut(BaseModel, Generic[Item]):
    items: Sequence[Item]
    next_cursor: str | None
    total: int

    @classmethod
    def of(cls, page: Page[Source], change: Callable[[Source], Any]) -> "PageOut[Item]":
        items = [change(item) for item in page.items]
        return cls(items=items, next_cursor=page.next_cursor, total=page.total)

"""How a library travels to the process that fits a model to it: frames of a kind, a length,
and a page of items (JSON) or interactions (packed)."""

import json
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, BinaryIO, overload
from uuid import UUID

from typing_extensions import override

from app.ports.recommender import Interaction, Item

ITEMS, INTERACTIONS, END = b"I", b"X", b"E"
_HEAD = struct.Struct(">cI")
_ID = 16
# Of an interaction: two ids, a float and a double.
_WIDTH = 2 * _ID + 4 + 8


def frame(kind: bytes, payload: bytes = b"") -> bytes:
    return _HEAD.pack(kind, len(payload)) + payload


def frames(source: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Until the END. Raises EOFError when the source ends before it."""
    while True:
        kind, length = _HEAD.unpack(_exactly(source, _HEAD.size))
        if kind == END:
            return
        yield kind, _exactly(source, length)


def pack_items(page: Sequence[Item]) -> bytes:
    return json.dumps([{**asdict(item), "id": item.id.hex} for item in page]).encode()


def unpack_items(payload: bytes) -> list[Item]:
    return [_item(said) for said in json.loads(payload)]


def pack_interactions(page: Sequence[Interaction]) -> bytes:
    return b"".join(
        (
            b"".join(one.reader_id.bytes for one in page),
            b"".join(one.item_id.bytes for one in page),
            array("f", [one.weight for one in page]).tobytes(),
            array("d", [one.at.timestamp() for one in page]).tobytes(),
        )
    )


class PackedInteractions(Sequence[Interaction]):
    """A million of them in 20 MB: who and what by number, each made when it is asked for."""

    def __init__(self) -> None:
        self._ids: dict[bytes, int] = {}
        self._names: list[UUID] = []
        self._readers, self._items = array("I"), array("I")
        self._weights, self._moments = array("f"), array("d")

    def add(self, payload: bytes) -> None:
        count = len(payload) // _WIDTH
        ids = [payload[_ID * n : _ID * (n + 1)] for n in range(2 * count)]
        self._readers.extend(map(self._number, ids[:count]))
        self._items.extend(map(self._number, ids[count:]))
        weights = 2 * _ID * count
        self._weights.frombytes(payload[weights : weights + 4 * count])
        self._moments.frombytes(payload[weights + 4 * count :])

    @override
    def __len__(self) -> int:
        return len(self._weights)

    @overload
    def __getitem__(self, place: int) -> Interaction: ...
    @overload
    def __getitem__(self, place: slice) -> list[Interaction]: ...
    @override
    def __getitem__(self, place: int | slice) -> Interaction | list[Interaction]:
        if isinstance(place, slice):
            return [self[n] for n in range(*place.indices(len(self)))]
        return Interaction(
            self._names[self._readers[place]],
            self._names[self._items[place]],
            self._weights[place],
            datetime.fromtimestamp(self._moments[place], UTC),
        )

    def _number(self, name: bytes) -> int:
        number = self._ids.setdefault(name, len(self._names))
        if number == len(self._names):
            self._names.append(UUID(bytes=name))
        return number


def _item(said: dict[str, Any]) -> Item:
    lists = {name: tuple(said[name]) for name in ("genres", "tags")}
    return Item(**{**said, **lists, "id": UUID(said["id"])})


def _exactly(source: BinaryIO, size: int) -> bytes:
    data = source.read(size)
    if len(data) < size:
        raise EOFError("Whoever sent the library is gone.")
    return data

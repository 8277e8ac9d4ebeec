"""The file of a fitted model: a line that says what it is, named arrays, a checksum.

    {"format": "luminalib-recommender", "version": 1, "model": …, "facts": …, "arrays": …}\\n
    the arrays' bytes, one after the other
    SHA-256 of everything before, 32 bytes

Nothing in it is ever executed, unlike a pickle, and a file that ends early fails its checksum.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from app.ports.recommender import ModelDamaged

_FORMAT = "luminalib-recommender"
# Raise it whenever an older program could not use the newer file, or the other way round.
VERSION = 1
_DIGEST = hashlib.sha256().digest_size
_LONGEST_HEADER = 1 << 20

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Archive:
    """Facts are what JSON can say; arrays are of numbers or bytes."""

    model: str
    facts: Mapping[str, Any]
    arrays: Mapping[str, Array]


def write_archive(target: BinaryIO, archive: Archive) -> None:
    digest = hashlib.sha256()
    for part in _parts(archive):
        digest.update(part)
        target.write(part)
    target.write(digest.digest())


def read_archive(source: BinaryIO, model: str) -> Archive:
    """Raises ModelDamaged, also for the file of another model or format version."""
    line = source.readline(_LONGEST_HEADER)
    header = _header(line, model)
    digest = hashlib.sha256(line)
    arrays = {name: _array(source, spec, digest) for name, spec in header["arrays"].items()}
    if source.read(_DIGEST + 1) != digest.digest():
        raise ModelDamaged("The checksum of the model file does not match its content.")
    return Archive(model, header["facts"], arrays)


@contextmanager
def whole(arrays: Mapping[str, Array]) -> Iterator[Mapping[str, Array]]:
    """For making a model of arrays: raises ModelDamaged where they do not make one."""
    try:
        yield arrays
    except (LookupError, TypeError, ValueError) as error:
        raise ModelDamaged("The model file is not of the arrays that make a model.") from error


def words_to_array(words: Sequence[str]) -> Array:
    """Any texts as one array; `array_to_words` is the way back."""
    return np.frombuffer(json.dumps(list(words), ensure_ascii=False).encode(), dtype=np.uint8)


def array_to_words(array: Array) -> list[str]:
    words: list[str] = json.loads(array.tobytes())
    return words


def _parts(archive: Archive) -> Iterator[bytes | memoryview]:
    arrays = {name: np.ascontiguousarray(array) for name, array in archive.arrays.items()}
    header = {
        "format": _FORMAT,
        "version": VERSION,
        "model": archive.model,
        "facts": archive.facts,
        "arrays": {name: [array.dtype.str, array.shape] for name, array in arrays.items()},
    }
    yield json.dumps(header).encode() + b"\n"
    for array in arrays.values():
        yield array.reshape(-1).view(np.uint8).data


def _header(line: bytes, model: str) -> dict[str, Any]:
    try:
        header = json.loads(line)
        described = (header["format"], header["version"], header["model"])
        header = {part: dict(header[part].items()) for part in ("facts", "arrays")}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelDamaged("The model file does not say what it is.") from error
    if described != (_FORMAT, VERSION, model):
        raise ModelDamaged(f"The model file is {described}, not {(_FORMAT, VERSION, model)}.")
    return header


def _array(source: BinaryIO, spec: Any, digest: Any) -> Array:
    try:
        array = _empty(*spec)
    except (TypeError, ValueError, MemoryError) as error:
        raise ModelDamaged("The model file describes an array there cannot be.") from error
    content = array.reshape(-1).view(np.uint8)
    # Views of nothing cannot be read into.
    read = source.readinto(content.data) if content.size else 0  # type: ignore[attr-defined]
    if read != content.size:
        raise ModelDamaged("The model file ends too early.")
    digest.update(content.data)
    return array


def _empty(dtype: str, shape: Sequence[int]) -> Array:
    described = np.dtype(dtype)
    if described.hasobject:
        raise ValueError("Objects are not numbers.")
    return np.empty(shape, described)

"""Objects as files on a disk of this machine (POSIX)."""

import errno
import os
import stat
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, aclosing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec, TypeVar
from uuid import uuid4

from typing_extensions import override

from app.adapters.storage.streams import Tally, check_key, in_thread, pieces
from app.ports.files import ListedObject, ListedStorage
from app.ports.storage import (
    ByteRange,
    ObjectMissing,
    StorageUnavailable,
    StoredObject,
)
from app.shared.errors import RangeNotSatisfiable

_WRITE_SIZE = 1 << 20
_READ_SIZE = 256 << 10
_ABANDONED_SECONDS = 24 * 3600
_PUBLISH_TRIES = 100
_INCOMING = "+incoming"
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}

P = ParamSpec("P")
T = TypeVar("T")


class LocalStorage(ListedStorage):
    """Files below `root`, which any number of processes of one machine may share.

    The object a/b.txt is the file a+/b.txt: no key has a `+`, so an object and a folder of
    one name never meet, and no key names an unfinished file. No symbolic link below the
    root is ever followed. What a killed writer left is removed after a day.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @override
    async def write(self, key: str, stream: AsyncIterator[bytes]) -> StoredObject:
        names = _names(key)
        part = _Part(self._root)
        try:
            await _on_disk(part.open)
            async with aclosing(pieces(stream, _WRITE_SIZE)) as data:
                async for piece in data:
                    await _on_disk(part.append, piece)
            return await _on_disk(part.publish, names)
        finally:
            await _on_disk(part.close)

    @override
    async def read(self, key: str, part: ByteRange | None = None) -> AsyncIterator[bytes]:
        file = await _on_disk(_open, self._root, _names(key))
        if part is None:
            return _chunks(file, 0, file.size)
        if part.start >= file.size:
            raise RangeNotSatisfiable
        return _chunks(file, part.start, min(part.end + 1, file.size))

    @override
    async def listing(self) -> AsyncIterator[ListedObject]:
        folders: list[tuple[str, ...]] = [()]
        while folders:
            names = folders.pop()
            found, below = await _on_disk(_listed, self._root, names)
            folders += below
            for each in found:
                yield each

    @override
    async def delete(self, key: str) -> None:
        await _on_disk(_remove, self._root, _names(key))

    @override
    async def exists(self, key: str) -> bool:
        names = _names(key)
        try:
            file = await _on_disk(_open, self._root, names)
        except ObjectMissing:
            return False
        file.close()
        return True


class _Part:
    """A file on its way in: nobody sees it before it is published."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._name = uuid4().hex
        self._tally = Tally()
        self._opened = ExitStack()

    def open(self) -> None:
        _make_root(self._root)
        incoming = _folder(self._root, [_INCOMING], create=True)
        self._incoming = self._opened.enter_context(incoming)
        _remove_abandoned(self._incoming)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        self._file = os.open(self._name, flags, 0o600, dir_fd=self._incoming)
        self._opened.callback(os.close, self._file)
        self._opened.callback(self._unlink)

    def append(self, data: bytes) -> None:
        self._tally.add(data)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._file, rest) :]

    def publish(self, names: Sequence[str]) -> StoredObject:
        os.fsync(self._file)
        for _ in range(_PUBLISH_TRIES):
            # A deletion may prune the folder just before the file moves into it.
            with suppress(FileNotFoundError):
                self._move(names)
                return self._tally.total
        raise StorageUnavailable

    def close(self) -> None:
        """Forget the file, unless it is published."""
        self._opened.close()

    def _move(self, names: Sequence[str]) -> None:
        *folders, name = names
        with _folder(self._root, folders, create=True) as folder:
            os.rename(self._name, name, src_dir_fd=self._incoming, dst_dir_fd=folder)
            os.fsync(folder)

    def _unlink(self) -> None:
        with suppress(OSError):
            os.unlink(self._name, dir_fd=self._incoming)


class _OpenFile:
    """A file to read, of `size` bytes; closed at the latest when nobody holds it any more."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.close = weakref.finalize(self, os.close, descriptor)
        status = os.fstat(descriptor)
        self.size = status.st_size
        if not stat.S_ISREG(status.st_mode):
            raise ObjectMissing


def _open(root: Path, names: Sequence[str]) -> _OpenFile:
    *folders, name = names
    try:
        with _folder(root, folders) as folder:
            return _OpenFile(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder))
    except OSError as error:
        if error.errno in _ABSENT:
            raise ObjectMissing from error
        raise


async def _chunks(file: _OpenFile, start: int, end: int) -> AsyncIterator[bytes]:
    try:
        while start < end:
            size = min(_READ_SIZE, end - start)
            data = await _on_disk(os.pread, file.descriptor, size, start)
            if not data:
                raise StorageUnavailable("The stored file is shorter than it was.")
            start += len(data)
            yield data
    finally:
        file.close()


def _listed(root: Path, names: tuple[str, ...]) -> tuple[list[ListedObject], list[tuple[str, ...]]]:
    """The objects in a folder, and the folders in it."""
    objects, folders = [], []
    with suppress(FileNotFoundError), _folder(root, names) as folder, os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False) and entry.name != _INCOMING:
                    folders.append((*names, entry.name))
                elif entry.is_file(follow_symlinks=False):
                    objects.append(_seen((*names, entry.name), entry.stat(follow_symlinks=False)))
    return objects, folders


def _seen(names: tuple[str, ...], status: os.stat_result) -> ListedObject:
    key = "/".join(name.removesuffix("+") for name in names)
    return ListedObject(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _remove(root: Path, names: Sequence[str]) -> None:
    *folders, name = names
    try:
        with _folder(root, folders) as folder:
            os.unlink(name, dir_fd=folder)
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
    with suppress(OSError):  # the first folder that is not empty ends the pruning
        while folders:
            last = folders.pop()
            with _folder(root, folders) as above:
                os.rmdir(last, dir_fd=above)


def _remove_abandoned(incoming: int) -> None:
    oldest = time.time() - _ABANDONED_SECONDS
    for name in os.listdir(incoming):
        with suppress(FileNotFoundError):
            if os.stat(name, dir_fd=incoming, follow_symlinks=False).st_mtime < oldest:
                os.unlink(name, dir_fd=incoming)


def _names(key: str) -> list[str]:
    """The names of the folders, then of the file."""
    check_key(key)
    return key.replace("/", "+/").split("/")


@contextmanager
def _folder(root: Path, names: Sequence[str], *, create: bool = False) -> Iterator[int]:
    """A descriptor of the folder, reached step by step so that no link leads elsewhere."""
    folder = os.open(root, os.O_DIRECTORY)
    try:
        for name in names:
            if create:
                _make_folder(name, folder)
            below = os.open(name, os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = below
        yield folder
    finally:
        os.close(folder)


def _make_folder(name: str, above: int) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=above)
    # Also where another writer made it: it may not have come to the disk yet.
    os.fsync(above)


def _make_root(root: Path) -> None:
    missing = [folder for folder in (root, *root.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
        with _folder(folder.parent, []) as above:
            os.fsync(above)


async def _on_disk(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    with _translated():
        return await in_thread(None, function, *args, **kwargs)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"The library's disk says: {error.strerror}.") from error

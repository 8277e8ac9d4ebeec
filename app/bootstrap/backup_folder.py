"""The folder of a backup. Nothing is removed from it but what a backup wrote.

    DIR/manifest.json          what belongs to the backup; written last
    DIR/unfinished.json        what a backup that is under way, or died, may have written besides
    DIR/database-<moment>.dump the database as of one moment
    DIR/files/<key>            the stored files, which never change under their key

What is made there only its owner may read: a dump holds addresses and the hashes of passwords.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from app.adapters.storage.streams import check_key, in_thread
from app.shared.errors import Invalid

if sys.platform != "win32":
    import fcntl

_FORMAT = 1
_CHUNK = 1 << 20
_MANIFEST, _UNFINISHED = "manifest.json", "unfinished.json"
_DUMP = re.compile(r"database-\d{8}T\d{12}\.dump")


class NoBackup(Invalid):
    title = "That folder holds no backup that could be restored"


class FolderRefused(Invalid):
    title = "A backup needs a folder of its own"


@dataclass(frozen=True, slots=True)
class SavedFile:
    key: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`damaged` names files the library itself had lost when the backup was made."""

    made_at: str
    revision: str
    dump: str
    dump_sha256: str
    rows: Mapping[str, int]
    files: Sequence[SavedFile]
    damaged: Sequence[str] = ()
    format: int = field(default=_FORMAT)

    @property
    def names(self) -> set[str]:
        """The files of the folder that belong to it."""
        return {self.dump, *(_place(file.key) for file in self.files)}


class BackupFolder:
    """Raises OSError as the disk does."""

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()

    @contextmanager
    def claimed(self, home: Path) -> Iterator[None]:
        """Make the folder, or take one that is empty or a backup's already, for oneself. Raises
        FolderRefused, also for one in the way of what the library keeps under its home."""
        self._keep_clear_of(home.resolve())
        self._keep_clear_of_others()
        _make_private(self._path)
        with _only_one(self._path):
            self.announce()
            yield

    def announce(self, *, dumps: Iterable[str] = (), keys: Iterable[str] = ()) -> None:
        """Note what will be written, so that another backup may remove it."""
        names = self._unfinished() | set(dumps) | {_place(key) for key in keys}
        self._write(_UNFINISHED, {"format": _FORMAT, "names": sorted(names)})

    def dump(self, name: str) -> Path:
        return self._path / name

    def digest_of_dump(self, name: str) -> str:
        return _digest(self._path / name).sha256

    def saved(self, key: str) -> SavedFile | None:
        """The file as it is there now."""
        path = self._path / _place(key)
        return _digest(path, key) if path.is_file() else None

    async def save(self, key: str, stream: AsyncIterator[bytes]) -> SavedFile:
        """Keep the stream as that file, all or nothing."""
        target = self._path / _place(key)
        await in_thread(None, _make_private, target.parent)
        partial = _part_of(target)
        with await in_thread(None, open, partial, "wb", opener=_private) as copy:
            async for chunk in stream:
                await in_thread(None, copy.write, chunk)
            await in_thread(None, _sync, copy)
        await in_thread(None, _move, partial, target)
        return await in_thread(None, _digest, target, key)

    async def read(self, key: str) -> AsyncIterator[bytes]:
        with (self._path / _place(key)).open("rb") as source:
            while chunk := await in_thread(None, source.read, _CHUNK):
                yield chunk

    def publish(self, manifest: Manifest) -> None:
        """Make it the folder's backup, and remove what only the one before it needed, or what
        was begun and came to nothing."""
        superseded = self._published() | self._unfinished()
        self._write(_MANIFEST, asdict(manifest))
        for name in superseded - manifest.names:
            (self._path / name).unlink(missing_ok=True)
        for name in superseded | manifest.names:
            _part_of(self._path / name).unlink(missing_ok=True)
        (self._path / _UNFINISHED).unlink()

    def whole(self) -> Manifest:
        """The backup, checked to the last byte. Raises NoBackup."""
        manifest = self._manifest()
        dump = self._path / manifest.dump
        if not dump.is_file() or _digest(dump).sha256 != manifest.dump_sha256:
            raise NoBackup(f"{manifest.dump} is damaged or gone.")
        for file in manifest.files:
            if self.saved(file.key) != file:
                raise NoBackup(f"{_place(file.key)} is damaged or gone.")
        return manifest

    def _keep_clear_of(self, home: Path) -> None:
        for kept in (home, home / "files", home / "postgres"):
            inside = kept != home and self._path.is_relative_to(kept)
            if inside or kept.is_relative_to(self._path):
                raise FolderRefused(f"The library keeps its own in {kept}: choose another one.")

    def _keep_clear_of_others(self) -> None:
        if not self._path.exists():
            return
        try:
            there = {entry.name for entry in self._path.iterdir()}
        except NotADirectoryError as error:
            raise FolderRefused(f"{self._path} is a file.") from error
        if _MANIFEST in there:
            self._published()
        elif there - {f"{_UNFINISHED}.part"}:
            self._unfinished(needed=True)

    def _published(self) -> set[str]:
        if not (self._path / _MANIFEST).exists():
            return set()
        try:
            return self._manifest().names
        except NoBackup as error:
            raise FolderRefused(error.detail) from error

    def _unfinished(self, *, needed: bool = False) -> set[str]:
        try:
            text = (self._path / _UNFINISHED).read_text(encoding="utf-8")
            return set(_checked(json.loads(text)["names"]))
        except FileNotFoundError as error:
            if needed:
                raise FolderRefused(f"{self._path} holds what is no backup's.") from error
            return set()
        except (ValueError, TypeError, KeyError) as error:
            raise FolderRefused(f"{_UNFINISHED} cannot be read.") from error

    def _manifest(self) -> Manifest:
        try:
            said: dict[str, Any] = json.loads((self._path / _MANIFEST).read_text(encoding="utf-8"))
            manifest = Manifest(**{**said, "files": [SavedFile(**file) for file in said["files"]]})
            _checked(manifest.names)
        except FileNotFoundError as error:
            raise NoBackup(f"There is no {_MANIFEST} in {self._path}.") from error
        except (ValueError, TypeError, KeyError) as error:
            raise NoBackup(f"{_MANIFEST} cannot be read.") from error
        if manifest.format != _FORMAT:
            raise NoBackup(f"It is of format {manifest.format}; this library reads {_FORMAT}.")
        return manifest

    def _write(self, name: str, said: Mapping[str, Any]) -> None:
        partial = self._path / f"{name}.part"
        with open(partial, "w", encoding="utf-8", opener=_private) as file:
            json.dump(said, file, indent=1)
            _sync(file)
        _move(partial, self._path / name)


def _place(key: str) -> str:
    return f"files/{key}"


def _part_of(path: Path) -> Path:
    """Where a file is while it is written; no key has a `+`."""
    return path.with_name(f"{path.name}+part")


def _checked(names: Iterable[str]) -> Iterable[str]:
    """Raises ValueError for a name no backup gives: it might lead elsewhere."""
    for name in names:
        if not _DUMP.fullmatch(name):
            folder, _, key = name.partition("/")
            check_key(key if folder == "files" else "")
    return names


def _digest(path: Path, key: str = "") -> SavedFile:
    with path.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256")
    return SavedFile(key, path.stat().st_size, digest.hexdigest())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _make_private(folder: Path) -> None:
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(missing.parent)


def _move(path: Path, target: Path) -> None:
    path.replace(target)
    _sync_folder(target.parent)


def _sync(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    folder = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FolderRefused(f"Another backup is being written to {path}.") from error
    except OSError:
        # Not every file system over a network has locks.
        pass
    try:
        yield
    finally:
        os.close(folder)

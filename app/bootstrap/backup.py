"""The whole library in a folder, and a library from such a folder.

    DIR/manifest.json          what belongs to the backup; written last
    DIR/database-<moment>.dump the database as of one moment
    DIR/files/<key>            the stored files, which never change under their key

A folder may be used again: files it has are not copied a second time, and the backup that was
there stays whole until the new one is.
"""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.adapters.postgres.dumping import DatabaseState, KeptFile, dump, restore, state_of
from app.bootstrap.library import bring_up_to_date, database_of
from app.bootstrap.providers import storage_named
from app.bootstrap.settings import Settings
from app.ports.storage import ObjectMissing, StorageProvider
from app.shared.errors import Invalid, Unavailable

_FORMAT = 1
_CHUNK = 1 << 20
_ATTEMPTS = 3

Say = Callable[[str], object]


class NoBackup(Invalid):
    title = "That folder holds no backup that could be restored"


class FilesDamaged(Unavailable):
    title = "Some files are damaged or gone"


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


async def back_up(settings: Settings, folder: Path, say: Say) -> Manifest:
    """Copy the library, which may be in use, into the folder. Raises FilesDamaged, with all
    the rest in the backup, when files are gone or are not what was stored."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    async with database_of(settings) as url, AsyncExitStack() as stack:
        storage = storage_named(settings, stack)
        for attempt in range(1, _ATTEMPTS + 1):
            manifest = await _backed_up(url, storage, folder, say)
            # What was withdrawn while it was copied is gone from the next moment's books too.
            if not manifest.damaged or attempt == _ATTEMPTS:
                break
    await asyncio.to_thread(_publish, folder, manifest)
    if manifest.damaged:
        raise FilesDamaged(", ".join(manifest.damaged))
    return manifest


async def restore_backup(settings: Settings, folder: Path, say: Say) -> Manifest:
    """Make the empty library what the backup holds. Raises NoBackup when it is not whole,
    DatabaseNotEmpty, FilesDamaged when what was written is not what is in the backup."""
    manifest = await asyncio.to_thread(_whole, folder)
    say(f"The backup of {manifest.made_at} is whole.")
    async with database_of(settings) as url, AsyncExitStack() as stack:
        storage = storage_named(settings, stack)
        await restore(url, folder / manifest.dump)
        say(f"{sum(manifest.rows.values()):,} rows in {len(manifest.rows)} tables are back.")
        for file in manifest.files:
            await _put_back(storage, folder, file)
        say(f"{len(manifest.files):,} files are back.")
        _require_same(manifest, await state_of(url))
        await bring_up_to_date(url)
    return manifest


async def _backed_up(url: str, storage: StorageProvider, folder: Path, say: Say) -> Manifest:
    moment = datetime.now(UTC)
    name = f"database-{moment:%Y%m%dT%H%M%S%f}.dump"
    state = await dump(url, folder / name)
    say(f"{sum(state.rows.values()):,} rows in {len(state.rows)} tables are saved.")
    saved, damaged = await _saved_files(storage, folder, state.files)
    say(f"{len(saved):,} files are saved, {sum(file.size for file in saved):,} bytes.")
    return Manifest(
        made_at=moment.isoformat(timespec="seconds"),
        revision=state.revision,
        dump=name,
        dump_sha256=(await asyncio.to_thread(_digest, folder / name)).sha256,
        rows=state.rows,
        files=saved,
        damaged=damaged,
    )


async def _saved_files(
    storage: StorageProvider, folder: Path, files: Sequence[KeptFile]
) -> tuple[list[SavedFile], list[str]]:
    saved, damaged = [], []
    for file in files:
        found = await _saved(storage, folder / "files" / file.key, file)
        if found is not None:
            saved.append(found)
        elif file.needed:
            damaged.append(file.key)
    return saved, damaged


async def _saved(storage: StorageProvider, target: Path, file: KeptFile) -> SavedFile | None:
    """The file in the backup, copied unless it is there; None when it is gone or damaged."""
    there = await asyncio.to_thread(_there, target, file.key)
    if there is None or not _is(there, file):
        try:
            there = await _copied(storage, target, file.key)
        except ObjectMissing:
            return None
    return there if _is(there, file) else None


async def _copied(storage: StorageProvider, target: Path, key: str) -> SavedFile:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.part")
    stream = await storage.read(key)
    with partial.open("wb") as copy:
        async for chunk in stream:
            await asyncio.to_thread(copy.write, chunk)
        copy.flush()
        os.fsync(copy.fileno())
    partial.replace(target)
    return await asyncio.to_thread(_digest, target, key)


async def _put_back(storage: StorageProvider, folder: Path, file: SavedFile) -> None:
    written = await storage.write(file.key, _chunks(folder / "files" / file.key))
    if (written.size, written.sha256) != (file.size, file.sha256):
        raise FilesDamaged(file.key)


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as source:
        while chunk := await asyncio.to_thread(source.read, _CHUNK):
            yield chunk


def _is(found: SavedFile, wanted: KeptFile) -> bool:
    return wanted.sha256 is None or (found.size, found.sha256) == (wanted.size, wanted.sha256)


def _there(path: Path, key: str) -> SavedFile | None:
    return _digest(path, key) if path.is_file() else None


def _digest(path: Path, key: str = "") -> SavedFile:
    with path.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256")
    return SavedFile(key, path.stat().st_size, digest.hexdigest())


def _publish(folder: Path, manifest: Manifest) -> None:
    """Make it the folder's backup, and remove what only the one before it needed."""
    partial = folder / "manifest.json.part"
    partial.write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")
    partial.replace(folder / "manifest.json")
    for old in folder.glob("database-*.dump"):
        if old.name != manifest.dump:
            old.unlink()
    kept = {file.key for file in manifest.files}
    for path in [path for path in (folder / "files").rglob("*") if path.is_file()]:
        if path.relative_to(folder / "files").as_posix() not in kept:
            path.unlink()


def _whole(folder: Path) -> Manifest:
    manifest = _read(folder)
    if _digest(folder / manifest.dump).sha256 != manifest.dump_sha256:
        raise NoBackup(f"{manifest.dump} is damaged.")
    for file in manifest.files:
        path = folder / "files" / file.key
        if not path.is_file() or _digest(path, file.key) != file:
            raise NoBackup(f"files/{file.key} is damaged or gone.")
    return manifest


def _read(folder: Path) -> Manifest:
    try:
        said: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        manifest = Manifest(**{**said, "files": [SavedFile(**file) for file in said["files"]]})
    except FileNotFoundError as error:
        raise NoBackup(f"There is no manifest.json in {folder}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise NoBackup("manifest.json cannot be read.") from error
    if manifest.format != _FORMAT:
        raise NoBackup(f"It is of format {manifest.format}; this library reads {_FORMAT}.")
    return manifest


def _require_same(manifest: Manifest, state: DatabaseState) -> None:
    if dict(state.rows) != dict(manifest.rows):
        differing = sorted(t for t in manifest.rows if state.rows.get(t) != manifest.rows[t])
        raise FilesDamaged(f"Other numbers of rows than in the backup: {', '.join(differing)}")

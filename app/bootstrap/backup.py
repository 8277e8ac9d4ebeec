"""The whole library in a folder, and a library from such a folder.

A folder may be used again: files it has are not copied a second time, and the backup that was
there stays whole until the new one is.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from app.adapters.postgres.dumping import (
    DatabaseState,
    KeptFile,
    dump,
    require_empty,
    restore,
    state_of,
)
from app.bootstrap.backup_folder import BackupFolder, Manifest, SavedFile
from app.bootstrap.library import bring_up_to_date, database_of
from app.bootstrap.providers import storage_named
from app.bootstrap.settings import Settings
from app.ports.storage import ObjectMissing, StorageProvider
from app.shared.errors import Unavailable

_ATTEMPTS = 3

Say = Callable[[str], object]


class FilesDamaged(Unavailable):
    title = "Some files are damaged or gone"


async def back_up(settings: Settings, path: Path, say: Say) -> Manifest:
    """Copy the library, which may be in use, into the folder. Raises FolderRefused, and
    FilesDamaged, with all the rest in the backup, when the library has lost files, or one that
    is to be copied is not what was stored. What was copied before is not read again."""
    folder = BackupFolder(path)
    with folder.claimed(settings.lumina.home):
        manifest = await _backed_up(settings, folder, say)
        await asyncio.to_thread(folder.publish, manifest)
    if manifest.damaged:
        raise FilesDamaged(_named(manifest))
    return manifest


async def restore_backup(settings: Settings, path: Path, say: Say) -> Manifest:
    """Make the empty library what the backup holds. Raises NoBackup when it is not whole,
    DatabaseNotEmpty, FilesDamaged when what was written is not what is in the backup. What
    fails before the database is back can be tried again."""
    folder = BackupFolder(path)
    manifest = await asyncio.to_thread(folder.whole)
    say(f"The backup of {manifest.made_at} is whole.")
    async with database_of(settings) as url, AsyncExitStack() as stack:
        storage = storage_named(settings, stack)
        await require_empty(url)
        for file in manifest.files:
            await _put_back(storage, folder, file)
        say(f"{len(manifest.files):,} files are back.")
        await restore(url, folder.dump(manifest.dump))
        say(f"{sum(manifest.rows.values()):,} rows in {len(manifest.rows)} tables are back.")
        _require_same(manifest, await state_of(url))
        await bring_up_to_date(url)
    return manifest


async def _backed_up(settings: Settings, folder: BackupFolder, say: Say) -> Manifest:
    async with database_of(settings) as url, AsyncExitStack() as stack:
        storage = storage_named(settings, stack)
        for _ in range(_ATTEMPTS):
            manifest = await _copied(url, storage, folder, say)
            # What was withdrawn while it was copied is gone from the next moment's books too.
            if not manifest.damaged:
                break
    return manifest


async def _copied(url: str, storage: StorageProvider, folder: BackupFolder, say: Say) -> Manifest:
    moment = datetime.now(UTC)
    name = f"database-{moment:%Y%m%dT%H%M%S%f}.dump"
    await asyncio.to_thread(folder.announce, dumps=[name])
    state = await dump(url, folder.dump(name))
    say(f"{sum(state.rows.values()):,} rows in {len(state.rows)} tables are saved.")
    await asyncio.to_thread(folder.announce, keys=[file.key for file in state.files])
    saved, damaged = await _saved_files(storage, folder, state.files)
    say(f"{len(saved):,} files are saved, {sum(file.size for file in saved):,} bytes.")
    return Manifest(
        made_at=moment.isoformat(timespec="seconds"),
        revision=state.revision,
        dump=name,
        dump_sha256=await asyncio.to_thread(folder.digest_of_dump, name),
        rows=state.rows,
        files=saved,
        damaged=damaged,
    )


async def _saved_files(
    storage: StorageProvider, folder: BackupFolder, files: Sequence[KeptFile]
) -> tuple[list[SavedFile], list[str]]:
    saved, damaged = [], []
    for file in files:
        copy, is_lost = await _saved(storage, folder, file)
        if copy is not None:
            saved.append(copy)
        if is_lost and file.needed:
            damaged.append(file.key)
    return saved, damaged


async def _saved(
    storage: StorageProvider, folder: BackupFolder, file: KeptFile
) -> tuple[SavedFile | None, bool]:
    """The file in the backup, copied unless it is there, and whether the library has lost it."""
    there = await asyncio.to_thread(folder.saved, file.key)
    if there is not None and _is(there, file):
        return there, not await storage.exists(file.key)
    try:
        copy = await folder.save(file.key, await storage.read(file.key))
    except ObjectMissing:
        return None, True
    return (copy, False) if _is(copy, file) else (None, True)


async def _put_back(storage: StorageProvider, folder: BackupFolder, file: SavedFile) -> None:
    written = await storage.write(file.key, folder.read(file.key))
    if (written.size, written.sha256) != (file.size, file.sha256):
        raise FilesDamaged(file.key)


def _is(found: SavedFile, wanted: KeptFile) -> bool:
    return wanted.sha256 is None or (found.size, found.sha256) == (wanted.size, wanted.sha256)


def _named(manifest: Manifest) -> str:
    saved = {file.key for file in manifest.files}
    told = [f"{key} (the backup has it)" if key in saved else key for key in manifest.damaged]
    return ", ".join(told)


def _require_same(manifest: Manifest, state: DatabaseState) -> None:
    if dict(state.rows) != dict(manifest.rows):
        differing = sorted(t for t in manifest.rows if state.rows.get(t) != manifest.rows[t])
        raise FilesDamaged(f"Other numbers of rows than in the backup: {', '.join(differing)}")

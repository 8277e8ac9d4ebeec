"""A backup takes a folder of its own, and nothing of anybody else's out of it."""

import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.bootstrap.backup_folder import BackupFolder, FolderRefused, Manifest, NoBackup, SavedFile

OLD, NEW = "database-20260101T000000000000.dump", "database-20260102T000000000000.dump"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """That of a library with a stored file."""
    (tmp_path / "var" / "files" / "books+").mkdir(parents=True)
    (tmp_path / "var" / "files" / "books+" / "one").write_bytes(b"one")
    return tmp_path / "var"


async def text(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def saved(path: Path, home: Path, dump: str, *keys: str) -> Manifest:
    """The folder with a backup of these keys, each of them the bytes of its own name."""
    folder = BackupFolder(path)
    with folder.claimed(home):
        folder.announce(dumps=[dump], keys=keys)
        folder.dump(dump).write_bytes(dump.encode())
        files = [await folder.save(key, text(key.encode())) for key in keys]
        manifest = Manifest("now", "1", dump, folder.digest_of_dump(dump), {}, files)
        folder.publish(manifest)
    return manifest


def names(path: Path) -> set[str]:
    return {each.relative_to(path).as_posix() for each in path.rglob("*") if each.is_file()}


async def test_what_only_the_backup_before_needed_goes_and_the_rest_stays(
    tmp_path: Path, home: Path
) -> None:
    safe = tmp_path / "safe"
    await saved(safe, home, OLD, "books/one", "books/two")
    (safe / "files" / "photos").mkdir()
    mine = [safe / "files" / "photos" / "wedding.jpg", safe / "database-mine.dump", safe / "a.part"]
    for path in mine:
        path.write_bytes(b"mine")

    await saved(safe, home, NEW, "books/two", "books/three")

    backup = {"manifest.json", NEW, "files/books/two", "files/books/three"}
    assert names(safe) == backup | {path.relative_to(safe).as_posix() for path in mine}
    assert BackupFolder(safe).whole().dump == NEW


@pytest.mark.parametrize(
    "place", ["var", ".", "var/files", "var/files/safe", "var/postgres", "link"]
)
async def test_what_the_library_keeps_its_own_in_is_refused(
    tmp_path: Path, home: Path, place: str
) -> None:
    (tmp_path / "link").symlink_to(home)
    with pytest.raises(FolderRefused):
        await saved(tmp_path / place, home, OLD)
    assert names(home) == {"files/books+/one"}


@pytest.mark.parametrize(
    "foreign", ["files/photos/wedding.jpg", "database-mine.dump", "manifest.json"]
)
async def test_a_folder_that_holds_something_else_is_refused(
    tmp_path: Path, home: Path, foreign: str
) -> None:
    (tmp_path / "mine" / foreign).parent.mkdir(parents=True)
    (tmp_path / "mine" / foreign).write_text("{}")
    with pytest.raises(FolderRefused):
        await saved(tmp_path / "mine", home, OLD)
    assert names(tmp_path / "mine") == {foreign}


async def test_a_file_is_no_folder(tmp_path: Path, home: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(FolderRefused):
        await saved(tmp_path / "mine", home, OLD)


async def test_an_empty_folder_will_do_and_a_beginning_of_a_claim_too(
    tmp_path: Path, home: Path
) -> None:
    safe = tmp_path / "safe"
    safe.mkdir()
    (safe / "unfinished.json.part").write_text('{"na')
    await saved(safe, home, OLD, "books/one")
    assert names(safe) == {"manifest.json", OLD, "files/books/one"}


async def test_a_first_backup_that_died_is_gone_on_with(tmp_path: Path, home: Path) -> None:
    safe = tmp_path / "safe"
    folder = BackupFolder(safe)
    with folder.claimed(home):
        folder.announce(dumps=[OLD], keys=["books/one", "books/two", "books/gone"])
        folder.dump(OLD).write_bytes(b"hal")
        await folder.save("books/one", text(b"books/one"))
        await folder.save("books/gone", text(b"books/gone"))
        (safe / "files" / "books" / "two+part").write_bytes(b"boo")
    with pytest.raises(NoBackup):
        folder.whole()

    await saved(safe, home, NEW, "books/one", "books/two")

    assert names(safe) == {"manifest.json", NEW, "files/books/one", "files/books/two"}


async def test_a_backup_that_died_leaves_the_one_before_it_whole(
    tmp_path: Path, home: Path
) -> None:
    manifest = await saved(tmp_path / "safe", home, OLD, "books/one")
    folder = BackupFolder(tmp_path / "safe")
    with folder.claimed(home):
        folder.announce(dumps=[NEW], keys=["books/two"])
        folder.dump(NEW).write_bytes(b"hal")
    assert folder.whole().names == manifest.names


@pytest.mark.parametrize("key", ["../../mine", "/etc/passwd", ""])
async def test_a_manifest_that_leads_elsewhere_is_none(
    tmp_path: Path, home: Path, key: str
) -> None:
    (tmp_path / "mine").write_text("mine")
    await saved(tmp_path / "safe", home, OLD, "books/one")
    file = tmp_path / "safe" / "manifest.json"
    said = json.loads(file.read_text())
    said["files"] = [{"key": key, "size": 4, "sha256": "0"}]
    file.write_text(json.dumps(said))

    with pytest.raises(NoBackup):
        BackupFolder(tmp_path / "safe").whole()
    with pytest.raises(FolderRefused):
        await saved(tmp_path / "safe", home, NEW)
    assert (tmp_path / "mine").exists()


async def test_two_backups_do_not_write_to_one_folder_at_once(tmp_path: Path, home: Path) -> None:
    refused = pytest.raises(FolderRefused, match="Another backup")
    with BackupFolder(tmp_path / "safe").claimed(home), refused:
        await saved(tmp_path / "safe", home, OLD)
    await saved(tmp_path / "safe", home, OLD)


async def test_only_its_owner_reads_it(tmp_path: Path, home: Path) -> None:
    before = os.umask(0o022)
    try:
        await saved(tmp_path / "new" / "safe", home, OLD, "books/one")
    finally:
        os.umask(before)
    safe = tmp_path / "new" / "safe"
    for path in [safe, safe / "files" / "books", safe / "manifest.json", safe / "files/books/one"]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


async def test_a_file_is_what_it_was_when_it_was_saved(tmp_path: Path, home: Path) -> None:
    await saved(tmp_path / "safe", home, OLD, "books/one")
    folder = BackupFolder(tmp_path / "safe")
    assert b"".join([chunk async for chunk in folder.read("books/one")]) == b"books/one"
    assert isinstance(folder.saved("books/one"), SavedFile)
    assert folder.saved("books/two") is None

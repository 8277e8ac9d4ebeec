"""What the store on a disk promises beyond the contract."""

import asyncio
import gc
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.adapters.storage.local import LocalStorage
from app.ports.storage import ObjectMissing, StorageUnavailable
from tests.contracts.storage_adapters import broken_stream, content, stream

KEY = "books/42/book.epub"
MEGABYTE = 1 << 20

STALLING_WRITER = """
import asyncio, sys
from pathlib import Path
from app.adapters.storage.local import LocalStorage

async def stalling():
    yield b"n" * (3 << 20)
    print("stalled", flush=True)
    await asyncio.Event().wait()

asyncio.run(LocalStorage(Path(sys.argv[1])).write(sys.argv[2], stalling()))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "home" / "books"


@pytest.fixture
def storage(root: Path) -> LocalStorage:
    return LocalStorage(root)


def files(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if not path.is_dir())


def folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_dir())


def modes(root: Path) -> set[int]:
    return {path.stat().st_mode for path in (root, *root.rglob("*"))}


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def killed_while_writing(root: Path, key: str) -> None:
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STALLING_WRITER, str(root), key, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    assert await writer.stdout.readline() == b"stalled\n"
    writer.kill()
    assert await writer.wait() == -signal.SIGKILL


async def test_a_killed_writer_leaves_the_old_object(storage: LocalStorage, root: Path) -> None:
    await storage.write(KEY, stream(b"old"))
    await killed_while_writing(root, KEY)
    assert await content(storage, KEY) == b"old"


async def test_a_killed_writer_leaves_no_new_object(storage: LocalStorage, root: Path) -> None:
    await killed_while_writing(root, KEY)
    assert not await storage.exists(KEY)


async def test_what_a_killed_writer_left_is_removed_a_day_later(
    storage: LocalStorage, root: Path
) -> None:
    await killed_while_writing(root, KEY)
    [left] = files(root)
    await storage.write("books/1", stream(b"one"))
    assert files(root) == sorted(["1", left])
    yesterday = time.time() - 25 * 3600
    os.utime(root / "+incoming" / left, (yesterday, yesterday))
    await storage.write("books/2", stream(b"two"))
    assert files(root) == ["1", "2"]


async def test_a_broken_stream_leaves_no_file(storage: LocalStorage, root: Path) -> None:
    with pytest.raises(ConnectionResetError):
        await storage.write(KEY, broken_stream(b"x" * 3 * MEGABYTE))
    assert files(root) == []


async def test_a_full_disk_is_unavailable_and_keeps_what_was_there(
    storage: LocalStorage, root: Path
) -> None:
    await storage.write(KEY, stream(b"old"))
    with files_limited_to(2 * MEGABYTE), pytest.raises(StorageUnavailable):
        await storage.write(KEY, stream(b"x" * 5 * MEGABYTE))
    assert await content(storage, KEY) == b"old"
    assert files(root) == ["book.epub"]


async def test_a_disk_that_is_no_disk_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    storage = LocalStorage(tmp_path / "file" / "books")
    with pytest.raises(StorageUnavailable):
        await storage.write(KEY, stream(b"x"))


async def test_deleting_the_last_object_of_a_folder_removes_the_folder(
    storage: LocalStorage, root: Path
) -> None:
    await storage.write("books/1/a", stream(b"a"))
    await storage.write("books/2/b", stream(b"b"))
    await storage.delete("books/1/a")
    assert folders(root) == ["+incoming", "2+", "books+"]
    await storage.delete("books/2/b")
    assert folders(root) == ["+incoming"]


async def test_a_link_to_a_folder_outside_is_never_followed(
    storage: LocalStorage, root: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    await storage.write("other", stream(b"x"))
    (root / "books+").symlink_to(outside)
    assert not await storage.exists("books/secret")
    with pytest.raises(ObjectMissing):
        await storage.read("books/secret")
    with pytest.raises(StorageUnavailable):
        await storage.write("books/secret", stream(b"mine"))
    await storage.delete("books/secret")
    assert (outside / "secret").read_text() == "secret"


async def test_a_link_to_a_file_outside_is_no_object(
    storage: LocalStorage, root: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    await storage.write("other", stream(b"x"))
    (root / "book").symlink_to(secret)
    with pytest.raises(ObjectMissing):
        await storage.read("book")
    await storage.write("book", stream(b"mine"))
    assert secret.read_text() == "secret"
    assert await content(storage, "book") == b"mine"


async def test_stored_files_belong_to_the_library_alone(storage: LocalStorage, root: Path) -> None:
    await storage.write(KEY, stream(b"private"))
    assert modes(root) == {stat.S_IFDIR | 0o700, stat.S_IFREG | 0o600}


async def test_an_opened_file_is_closed_though_nobody_reads_it(storage: LocalStorage) -> None:
    await storage.write(KEY, stream(b"x" * MEGABYTE))
    gc.collect()  # what earlier tests dropped
    before = open_files()
    for _ in range(3):
        await storage.read(KEY)
    assert open_files() == before

"""What the store in a bucket promises beyond the contract."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from boto3.session import Session

from app.adapters.storage.s3 import PART_SIZE, S3Storage
from app.ports.storage import StorageUnavailable
from tests.contracts.storage_adapters import broken_stream, content, opened_s3, stream
from tests.integration.seaweedfs import SeaweedFS, remove_sockets, running_seaweedfs

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

pytest_plugins = ["tests.integration.seaweedfs"]

SERVER_OWNER = """
import time
from tests.integration.seaweedfs import running_seaweedfs

with running_seaweedfs() as server:
    print(*server.ports, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def client(seaweedfs: SeaweedFS) -> Iterator["S3Client"]:
    client = Session().client(
        "s3",
        endpoint_url=seaweedfs.endpoint,
        aws_access_key_id=seaweedfs.access_key,
        aws_secret_access_key=seaweedfs.secret_key,
        region_name="us-east-1",
    )
    yield client
    client.close()


@pytest.fixture
async def storage(seaweedfs: SeaweedFS) -> AsyncIterator[S3Storage]:
    async with opened_s3(seaweedfs) as opened:
        yield opened


@pytest.fixture
def key() -> str:
    return f"s3/{uuid4().hex}"


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def wait_until_silent(ports: list[int]) -> None:
    while any(answers(port) for port in ports):
        time.sleep(0.05)


async def test_a_missing_bucket_is_made(seaweedfs: SeaweedFS, key: str) -> None:
    bucket = f"made-{uuid4().hex}"
    async with opened_s3(seaweedfs, bucket) as one, opened_s3(seaweedfs, bucket) as other:
        await asyncio.gather(one.write(key, stream(b"1")), other.write(f"{key}.2", stream(b"2")))
        assert await content(other, key) == b"1"


async def test_a_server_that_is_down_is_unavailable(key: str) -> None:
    storage = S3Storage(
        "library",
        endpoint=f"http://127.0.0.1:{closed_port()}",
        access_key="any",
        secret_key="any",
    )
    try:
        with pytest.raises(StorageUnavailable):
            await storage.write(key, stream(b"x"))
        with pytest.raises(StorageUnavailable):
            await storage.read(key)
    finally:
        await storage.close()


async def test_a_wrong_secret_is_unavailable(seaweedfs: SeaweedFS, key: str) -> None:
    storage = S3Storage(
        seaweedfs.bucket,
        endpoint=seaweedfs.endpoint,
        access_key=seaweedfs.access_key,
        secret_key="wrong",
    )
    try:
        with pytest.raises(StorageUnavailable):
            await storage.exists(key)
        with pytest.raises(StorageUnavailable):
            await storage.write(key, stream(b"x"))
    finally:
        await storage.close()


async def test_a_server_that_dies_half_way_is_unavailable(key: str) -> None:
    with running_seaweedfs() as server:

        async def killing() -> AsyncIterator[bytes]:
            yield b"x" * PART_SIZE
            os.kill(server.process_id, signal.SIGKILL)
            yield b"x" * PART_SIZE

        async with opened_s3(server) as storage:
            await storage.write(key, stream(b"x" * 4 * PART_SIZE))
            chunks = await storage.read(key)
            with pytest.raises(StorageUnavailable):
                await storage.write(key, killing())
            with pytest.raises(StorageUnavailable):
                _ = [chunk async for chunk in chunks]


async def test_a_broken_stream_leaves_no_parts(
    storage: S3Storage, seaweedfs: SeaweedFS, client: "S3Client", key: str
) -> None:
    with pytest.raises(ConnectionResetError):
        await storage.write(key, broken_stream(b"x" * (PART_SIZE + 1)))
    uploads = client.list_multipart_uploads(Bucket=seaweedfs.bucket, Prefix=key)
    assert uploads.get("Uploads", []) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent")
async def test_the_server_dies_with_a_killed_test_run(tmp_path: Path) -> None:
    owner = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SERVER_OWNER,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert owner.stdout is not None
    ports = [int(port) for port in (await owner.stdout.readline()).split()]
    answered = any(answers(port) for port in ports)
    owner.kill()
    assert await owner.wait() == -signal.SIGKILL
    await asyncio.to_thread(wait_until_silent, ports)
    remove_sockets(ports)
    assert answered

"""Forms as they go over the wire, and what they leave behind."""

from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from app.adapters.postgres.engine import open_engine
from tests.api.conftest import Headers

BOUNDARY = "aShelfOfBooks"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def part(name: str, value: str | bytes, *, filename: str | None = None) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    tail = f'; filename="{filename}"' if filename is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{tail}\r\n\r\n'
    return head.encode() + data + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def raw(headers: Headers, name: str, value: str) -> dict[bytes, bytes]:
    return {**{k.encode(): v.encode() for k, v in headers.items()}, name.encode(): value.encode()}


async def stored_files(home: Path) -> int:
    files = home / "files"
    found = [p for p in files.rglob("*") if p.is_file()] if files.exists() else []
    return len(found)


async def announced(database_url: str) -> int:
    engine = open_engine(database_url)
    async with engine.begin() as connection:
        number = await connection.scalar(text("SELECT count(*) FROM announced_files"))
    await engine.dispose()
    return int(number or 0)


async def add(
    api: httpx.AsyncClient,
    headers: Headers,
    content: bytes | str = b"A text.",
    *,
    name: str = "book.txt",
    **fields: Any,
) -> httpx.Response:
    data = content.encode() if isinstance(content, str) else content
    return await api.post("/books", files={"file": (name, data)}, data=fields, headers=headers)

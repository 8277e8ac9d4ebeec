#!/opt/venv/bin/python
"""An `ollama` for the rehearsal: serve, list, show MODEL, pull MODEL.

REHEARSAL_SECONDS_PER_ANSWER is how long the model thinks, REHEARSAL_PULL_SECONDS how long a
download takes; its progress is drawn as the real one draws it.
"""

import asyncio
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from typing_extensions import override

from tests.fakes.model_server import Call, Fault, Reply
from tests.fakes.ollama_server import OllamaServer

PORT, INNER_PORT = 11434, 11435
ADDRESS = os.environ.get("OLLAMA_HOST", f"http://127.0.0.1:{PORT}")
HELD = Path.home() / ".ollama" / "models.json"


class PullingServer(OllamaServer):
    """Holds what was pulled, across restarts."""

    @override
    async def respond(self, call: Call, fault: Fault | None) -> Reply:
        self.models = json.loads(HELD.read_text()) if HELD.exists() else []
        if call.path != "/api/pull":
            return await super().respond(call, fault)
        HELD.write_text(json.dumps([*self.models, _tagged(call.body["model"])]))
        return Reply(200, ['{"status": "success"}'])


def serve() -> None:
    seconds = float(os.environ.get("REHEARSAL_SECONDS_PER_ANSWER", "0.2"))
    asyncio.run(_serve(PullingServer(port=INNER_PORT, delay=seconds)))


async def _serve(server: PullingServer) -> None:
    # the fake listens on the loopback only, as it should in tests
    await asyncio.start_server(_forward, "0.0.0.0", PORT)  # noqa: S104
    await server.serve()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", INNER_PORT)
    ways = (_copy(reader, inner_writer), _copy(inner_reader, writer))
    tasks = [asyncio.create_task(way) for way in ways]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    writer.close()
    inner_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()


def show_list() -> None:
    for model in _asked("/api/tags")["models"]:
        print(model["name"])  # noqa: T201


def show(model: str) -> None:
    try:
        _asked("/api/show", {"model": _tagged(model)})
    except HTTPError:
        sys.exit(f"Error: model '{model}' not found")


def pull(model: str) -> None:
    seconds = float(os.environ.get("REHEARSAL_PULL_SECONDS", "5"))
    sys.stderr.write("\033[?25l")
    for percent in range(0, 101, 5):
        bar = f"pulling 6a0746a1ec1a: {percent:3}% ▕██▏ {percent / 20:.1f} GB/4.7 GB"
        sys.stderr.write(f"\033[A\033[1Gpulling manifest\033[K\n{bar}\033[K")
        sys.stderr.flush()
        time.sleep(seconds / 20)
    _asked("/api/pull", {"model": model})
    sys.stderr.write("\nsuccess\033[?25h\n")


def _asked(path: str, body: dict[str, Any] | None = None) -> Any:
    data = json.dumps(body).encode() if body else None
    with urlopen(Request(ADDRESS + path, data), timeout=5) as answer:  # noqa: S310
        return json.load(answer)


def _tagged(model: str) -> str:
    return model if ":" in model else f"{model}:latest"


if __name__ == "__main__":
    {"serve": serve, "list": show_list, "show": show, "pull": pull}[sys.argv[1]](*sys.argv[2:])

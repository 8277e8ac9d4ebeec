"""What a figure was measured on, and where it is kept."""

import os
import platform
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("RESULTS.md")


async def facts(database_url: str) -> str:
    connection = await asyncpg.connect(database_url)
    try:
        version = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    return (
        f"{os.cpu_count()} cores ({platform.machine()}) for server, database and client together, "
        f"Python {platform.python_version()}, PostgreSQL {version}, load {_load()}"
    )


def _load() -> str:
    """Processes that want a core, over five minutes: ours and those of others."""
    return f"{os.getloadavg()[1]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def percentile(seconds: Sequence[float], share: float) -> float:
    """In milliseconds; the nearest rank."""
    ranked = sorted(seconds)
    return ranked[min(int(share * len(ranked)), len(ranked) - 1)] * 1000


def record(name: str, arguments: Sequence[str], report: str) -> None:
    command = shlex.join(["python3", "run.py", "bench", name, *map(_nameless, arguments)])
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(f"\n## {name}, {datetime.now(UTC):%Y-%m-%d}\n\n`{command}`\n\n{report}\n")


def _nameless(argument: str) -> str:
    """A folder by its last name only: whose machine it lies on is nobody's business."""
    return Path(argument).name if os.sep in argument else argument

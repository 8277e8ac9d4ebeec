"""The records of stored objects in a dictionary."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from typing_extensions import override

from app.ports.files import Blocks, DamagedFile, FileRecord, FileRecords


@dataclass
class Kept:
    record: FileRecord
    stored_at: datetime
    checked_at: datetime | None
    damaged_at: datetime | None = None


class InMemoryFileRecords(FileRecords):
    """`referenced` are the keys something refers to; all others are left behind."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.referenced: set[str] = set()
        self.rounds: dict[datetime, datetime | None] = {}

    @override
    async def keep(self, record: FileRecord, at: datetime) -> None:
        self.kept[record.key] = Kept(record, at, at if record.blocks else None)

    @override
    async def find(self, key: str) -> FileRecord | None:
        return self.kept[key].record if key in self.kept else None

    @override
    async def forget(self, key: str) -> None:
        self.kept.pop(key, None)

    @override
    async def judge(
        self, key: str, damage: str | None, at: datetime, blocks: Blocks | None = None
    ) -> None:
        if key in self.kept:
            kept = self.kept[key]
            changed = replace(kept.record, damage=damage, blocks=blocks or kept.record.blocks)
            since = (kept.damaged_at or at) if damage else None
            self.kept[key] = Kept(changed, kept.stored_at, at, since)

    @override
    async def due(self, before: datetime, limit: int) -> Sequence[str]:
        waiting = [
            (kept.checked_at is not None, kept.checked_at or before, key)
            for key, kept in self.kept.items()
            if kept.checked_at is None or kept.checked_at < before
        ]
        return [key for *_, key in sorted(waiting)][:limit]

    @override
    async def count(self, since: datetime) -> tuple[int, int]:
        checked = [kept for kept in self.kept.values() if kept.checked_at]
        return sum(kept.checked_at >= since for kept in checked if kept.checked_at), len(self.kept)

    @override
    async def damaged(self) -> Sequence[DamagedFile]:
        return [
            DamagedFile(key, kept.record.damage, kept.damaged_at, None, None)
            for key, kept in sorted(self.kept.items())
            if kept.record.damage and kept.damaged_at
        ]

    @override
    async def unreferenced(self, keys: Collection[str]) -> Sequence[str]:
        return [key for key in keys if key not in self.referenced]

    @override
    async def left_behind(self, before: datetime, limit: int, after: str = "") -> Sequence[str]:
        old = [key for key, kept in self.kept.items() if kept.stored_at < before and key > after]
        return sorted(key for key in old if key not in self.referenced)[:limit]

    @override
    async def open_round(self) -> datetime | None:
        return max((begun for begun, ended in self.rounds.items() if ended is None), default=None)

    @override
    async def last_round(self) -> datetime | None:
        return max(self.rounds, default=None)

    @override
    async def begin_round(self, at: datetime) -> None:
        self.rounds.setdefault(at, None)

    @override
    async def end_round(self, begun: datetime, at: datetime) -> None:
        self.rounds = {each: end for each, end in self.rounds.items() if each > begun}
        self.rounds[begun] = at

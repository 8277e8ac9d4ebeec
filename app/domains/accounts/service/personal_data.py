"""Handing out all that is kept of one person."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import date
from typing import Any

from app.domains.accounts.model import User
from app.domains.accounts.ports import AccountsWork
from app.ports.audit import Act, Subject
from app.ports.clock import Clock

_ROWS = 500


class PersonalDataService:
    def __init__(self, *, begin: Callable[[], AccountsWork], clock: Clock) -> None:
        self._begin = begin
        self._clock = clock

    async def export(self, user: User) -> AsyncIterator[bytes]:
        """A JSON object in pieces: `exported_at`, then a list for each kind of thing the
        library keeps of the user, secrets apart. Fails before the first piece; the pieces are
        read one after the other, so that what changes meanwhile may be in it or not."""
        async with self._begin() as work:
            await work.audit.note(Act.DATA_EXPORTED, Subject("user", str(user.id)))
            sections = work.personal_data.sections
        return self._written(user, sections)

    async def _written(self, user: User, sections: Sequence[str]) -> AsyncIterator[bytes]:
        yield f'{{"exported_at": {_json(self._clock.now())}'.encode()
        for section in sections:
            yield f",\n{json.dumps(section)}: [".encode()
            separator = "\n"
            async for rows in self._pages(user, section):
                yield (separator + ",\n".join(map(_json, rows))).encode()
                separator = ",\n"
            yield b"]"
        yield b"}\n"

    async def _pages(self, user: User, section: str) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
        after: Sequence[Any] | None = None
        while True:
            async with self._begin() as work:
                rows, after = await work.personal_data.page(section, user, after=after, limit=_ROWS)
            if rows:
                yield rows
            if after is None:
                return


def _json(value: Any) -> str:
    return json.dumps(value, default=_in_words, ensure_ascii=False)


def _in_words(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)

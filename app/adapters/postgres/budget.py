"""The ledger of the models' tokens, in Postgres: shared by replicas, kept over restarts."""

import time
from collections.abc import Iterable, Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.engine import Sessions, translated
from app.ports.budget import BudgetLedger, Full

# In the order of the accounts, so that two who take from the same ones never wait for each
# other in a circle.
_ADD = text(
    """
    INSERT INTO taken_tokens AS known (account, tokens, taken_at)
    SELECT account, :tokens, now() FROM unnest(CAST(:accounts AS text[])) AS account
    ORDER BY account
    ON CONFLICT (account)
    DO UPDATE SET tokens = known.tokens + excluded.tokens, taken_at = excluded.taken_at
    RETURNING account, tokens
    """
)
_TIDY_EVERY = 3600.0
_FORGET = text("DELETE FROM taken_tokens WHERE taken_at < now() - interval '31 days'")


class SqlBudgetLedger(BudgetLedger):
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._tidied = -_TIDY_EVERY

    @override
    async def take(self, tokens: int, caps: Mapping[str, int]) -> Full | None:
        with translated({}):
            async with self._sessions() as session:
                taken = await _added(session, tokens, caps)
                for account, total in sorted(taken.items()):
                    if total > caps[account]:
                        await session.rollback()
                        return Full(account, total - tokens)
                await session.commit()
            await self._tidy_up()
        return None

    async def _tidy_up(self) -> None:
        """Now and then, and with no account held: it reads them all."""
        if time.monotonic() - self._tidied < _TIDY_EVERY:
            return
        self._tidied = time.monotonic()
        async with self._sessions.begin() as session:
            await session.execute(_FORGET)

    @override
    async def correct(self, accounts: Iterable[str], by: int) -> None:
        with translated({}):
            async with self._sessions.begin() as session:
                await _added(session, by, accounts)


async def _added(session: AsyncSession, tokens: int, accounts: Iterable[str]) -> dict[str, int]:
    found = await session.execute(_ADD, {"tokens": tokens, "accounts": sorted(accounts)})
    return {row.account: row.tokens for row in found}

"""Units of work on a database session."""

from types import TracebackType
from typing import ClassVar, Self

from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.audit import SqlAuditTrail
from app.adapters.postgres.engine import Sessions, Violations, translated
from app.adapters.postgres.jobs import SqlJobQueue
from app.ports.work import UnitOfWork


class SqlWork(UnitOfWork):
    """One transaction. A room's work builds its repositories in `_open` and names in
    `violations` what its constraints mean."""

    violations: ClassVar[Violations] = {}

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def _open(self, session: AsyncSession) -> None:
        raise NotImplementedError

    @override
    async def __aenter__(self) -> Self:
        self._session = self._sessions()
        self.jobs = SqlJobQueue(self._session)
        self.audit = SqlAuditTrail(self._session)
        self._open(self._session)
        return self

    @override
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with translated(self.violations):
            try:
                if error is None:
                    await self._session.commit()
            finally:
                await self._session.close()
            if isinstance(error, Exception):
                raise error

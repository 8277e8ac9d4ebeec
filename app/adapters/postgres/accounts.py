"""Users, sessions and failed sign-ins in Postgres."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    case,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from app.adapters.postgres.audit import SqlAuditLog
from app.adapters.postgres.engine import Sessions, Violations
from app.adapters.postgres.keyset import id_at
from app.adapters.postgres.personal_data import SqlPersonalData, erase_traces
from app.adapters.postgres.standing import Standings
from app.adapters.postgres.tables.accounts import failed_logins, sessions, spent_tokens, users
from app.adapters.postgres.work import SqlWork
from app.domains.accounts.errors import EmailTaken, OpenLoans
from app.domains.accounts.model import Failures, Role, Session, SpentToken, User
from app.domains.accounts.ports import (
    AccountsWork,
    FailedSignIns,
    SessionRepository,
    UserRepository,
)
from app.shared.pages import Page, PageRequest, cursor_for


class SqlUserRepository(UserRepository):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    def add(self, user: User) -> None:
        self._session.add(user)

    @override
    async def by_email(self, email: str) -> User | None:
        same = func.lower(users.c.email) == func.lower(email)
        return (await self._session.scalars(select(User).where(same))).one_or_none()

    @override
    async def hold(self, user_id: UUID) -> User | None:
        return next(iter(await self._held(users.c.id == user_id)), None)

    @override
    async def hold_admins(self) -> Sequence[User]:
        return await self._held((users.c.role == Role.ADMIN) & ~users.c.disabled)

    @override
    async def page(self, q: str | None, request: PageRequest) -> Page[User]:
        wanted = _found_by(q)
        total = select(func.count()).select_from(users).where(*wanted)
        # Ids are made in the order of time.
        page = select(User).where(*wanted, *_behind(request)).order_by(users.c.id)
        found = (await self._session.scalars(page.limit(request.limit + 1))).all()
        items = found[: request.limit]
        more = cursor_for(str(items[-1].id)) if len(found) > request.limit else None
        return Page(items, more, (await self._session.execute(total)).scalar_one())

    @override
    async def remove(self, user: User) -> None:
        await erase_traces(self._session, user)
        await self._session.execute(delete(users).where(users.c.id == user.id))

    async def _held(self, wanted: ColumnElement[bool]) -> Sequence[User]:
        # Not FOR UPDATE: that would stop everybody who borrows in the user's name.
        held = select(User).where(wanted).order_by(users.c.id).with_for_update(key_share=True)
        fresh = held.execution_options(populate_existing=True)
        return (await self._session.scalars(fresh)).all()


class SqlSessionRepository(SessionRepository):
    def __init__(self, session: AsyncSession, standings: Standings) -> None:
        self._session = session
        self._standings = standings

    @override
    def add(self, session: Session) -> None:
        self._session.add(session)

    @override
    async def standing(self, session_id: UUID, user_id: UUID) -> tuple[User, Session] | None:
        return await self._standings.of(session_id, user_id)

    @override
    async def hold(self, refresh_hash: str) -> Session | None:
        held = select(Session).where(sessions.c.refresh_hash == refresh_hash).with_for_update()
        return (await self._session.scalars(held)).one_or_none()

    @override
    def spend(self, token: SpentToken) -> None:
        self._session.add(token)

    @override
    async def end_robbed(self, refresh_hash: str) -> Session | None:
        spent = spent_tokens.c.refresh_hash == refresh_hash
        family = select(spent_tokens.c.session_id).where(spent)
        held = select(Session).where(sessions.c.id.in_(family)).with_for_update()
        robbed = (await self._session.scalars(held)).one_or_none()
        if robbed is not None:
            await self.end(robbed.id)
        return robbed

    @override
    async def end(self, session_id: UUID) -> None:
        await self._session.execute(delete(sessions).where(sessions.c.id == session_id))

    @override
    async def end_all(self, user_id: UUID, *, but: UUID | None = None) -> None:
        theirs = delete(sessions).where(sessions.c.user_id == user_id)
        await self._session.execute(theirs if but is None else theirs.where(sessions.c.id != but))

    @override
    async def forget_expired(self, now: datetime) -> None:
        await self._session.execute(delete(sessions).where(sessions.c.expires_at <= now))


class SqlFailedSignIns(FailedSignIns):
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @override
    async def of(self, name: str, *, since: datetime) -> Failures | None:
        running = select(failed_logins.c.failures, failed_logins.c.window_started_at).where(
            failed_logins.c.account == name, failed_logins.c.window_started_at >= since
        )
        row = (await self._session.execute(running)).one_or_none()
        return Failures(row[0], row[1]) if row else None

    @override
    async def count(self, name: str, *, now: datetime, since: datetime) -> Failures:
        first = insert(failed_logins).values(account=name, failures=1, window_started_at=now)
        running = failed_logins.c.window_started_at >= since
        started = failed_logins.c.window_started_at
        another = first.on_conflict_do_update(
            index_elements=[failed_logins.c.account],
            set_={
                "failures": case((running, failed_logins.c.failures + 1), else_=1),
                "window_started_at": case((running, started), else_=now),
            },
        ).returning(failed_logins.c.failures, started)
        row = (await self._session.execute(another)).one()
        return Failures(row[0], row[1])

    @override
    async def clear(self, name: str) -> None:
        await self._session.execute(delete(failed_logins).where(failed_logins.c.account == name))

    @override
    async def forget(self, *, before: datetime) -> None:
        await self._session.execute(
            delete(failed_logins).where(failed_logins.c.window_started_at < before)
        )


class SqlAccountsWork(SqlWork, AccountsWork):
    violations: ClassVar[Violations] = {
        "uq_users_email": EmailTaken,
        # A loan forgets its reader when they go, and an open one may not.
        "ck_loans_open": OpenLoans,
    }

    def __init__(self, sessions: Sessions, standings: Standings | None = None) -> None:
        super().__init__(sessions)
        self._standings = standings or Standings(sessions.kw["bind"])

    @override
    def _open(self, session: AsyncSession) -> None:
        self.users = SqlUserRepository(session)
        self.sessions = SqlSessionRepository(session, self._standings)
        self.failed_sign_ins = SqlFailedSignIns(session)
        self.audit_log = SqlAuditLog(session)
        self.personal_data = SqlPersonalData(session)


def _found_by(q: str | None) -> list[ColumnElement[bool]]:
    if not q:
        return []
    return [
        or_(
            users.c.email.icontains(q, autoescape=True),
            users.c.display_name.icontains(q, autoescape=True),
        )
    ]


def _behind(request: PageRequest) -> list[ColumnElement[bool]]:
    key = request.after(str)
    return [] if key is None else [users.c.id > id_at(key[0] or "")]

"""The accounts room without a database and without slow hashes."""

import asyncio
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from typing_extensions import override

from app.domains.accounts.errors import EmailTaken, InvalidToken, OpenLoans
from app.domains.accounts.model import Failures, Session, SpentToken, User
from app.domains.accounts.ports import (
    AccessToken,
    AccountsWork,
    Claims,
    FailedSignIns,
    PasswordHasher,
    PersonalData,
    SessionRepository,
    TokenIssuer,
    UserRepository,
    Verdict,
)
from app.ports.audit import AuditEvent
from app.shared.ids import new_id
from app.shared.pages import InvalidCursor, Page, PageRequest, cursor_for
from tests.fakes.audit import ListedTrail


@dataclass
class AccountsShelf:
    """What is kept. `borrowers` have something on loan."""

    users: dict[UUID, User] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    spent: dict[str, SpentToken] = field(default_factory=dict)
    failures: dict[str, Failures] = field(default_factory=dict)
    borrowers: set[UUID] = field(default_factory=set)
    events: list[AuditEvent] = field(default_factory=list)

    def check(self) -> None:
        addresses = [user.email.lower() for user in self.users.values()]
        if len(addresses) != len(set(addresses)):
            raise EmailTaken


class InMemoryAccounts:
    """The shelf, and the turn of whoever works on it: one after the other."""

    def __init__(self) -> None:
        self.shelf = AccountsShelf()
        self.turn = asyncio.Lock()

    def begin(self) -> "InMemoryAccountsWork":
        return InMemoryAccountsWork(self)


class InMemoryAccountsWork(AccountsWork):
    """Works on a copy, which becomes the shelf at a clean end."""

    def __init__(self, accounts: InMemoryAccounts) -> None:
        self._accounts = accounts

    @override
    async def __aenter__(self) -> Self:
        await self._accounts.turn.acquire()
        self._shelf = deepcopy(self._accounts.shelf)
        self.users = InMemoryUserRepository(self._shelf)
        self.sessions = InMemorySessionRepository(self._shelf)
        self.failed_sign_ins = InMemoryFailedSignIns(self._shelf)
        self.audit = self.audit_log = ListedTrail(self._shelf.events)
        self.personal_data = InMemoryPersonalData(self._shelf)
        return self

    @override
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._shelf.check()
                self._accounts.shelf = deepcopy(self._shelf)
        finally:
            self._accounts.turn.release()


class InMemoryUserRepository(UserRepository):
    def __init__(self, shelf: AccountsShelf) -> None:
        self._shelf = shelf

    @override
    def add(self, user: User) -> None:
        self._shelf.users[user.id] = user

    @override
    async def by_email(self, email: str) -> User | None:
        everybody = self._shelf.users.values()
        return next((user for user in everybody if user.email.lower() == email.lower()), None)

    @override
    async def hold(self, user_id: UUID) -> User | None:
        return self._shelf.users.get(user_id)

    @override
    async def hold_admins(self) -> Sequence[User]:
        return [user for user in self._shelf.users.values() if user.governs]

    @override
    async def page(self, q: str | None, request: PageRequest) -> Page[User]:
        last, wanted = _last_id(request), (q or "").lower()
        matches = sorted(
            (
                user
                for user in self._shelf.users.values()
                if wanted in user.email.lower() or wanted in user.display_name.lower()
            ),
            key=lambda user: user.id,
        )
        behind = [user for user in matches if user.id > last]
        items = behind[: request.limit]
        more = cursor_for(str(items[-1].id)) if len(behind) > len(items) else None
        return Page(items, more, len(matches))

    @override
    async def remove(self, user: User) -> None:
        if user.id in self._shelf.borrowers:
            raise OpenLoans
        del self._shelf.users[user.id]
        await InMemorySessionRepository(self._shelf).end_all(user.id)


class InMemorySessionRepository(SessionRepository):
    def __init__(self, shelf: AccountsShelf) -> None:
        self._shelf = shelf

    @override
    def add(self, session: Session) -> None:
        self._shelf.sessions[session.id] = session

    @override
    async def standing(self, session_id: UUID, user_id: UUID) -> tuple[User, Session] | None:
        session = self._shelf.sessions.get(session_id)
        if session is None or session.user_id != user_id:
            return None
        return self._shelf.users[user_id], session

    @override
    async def hold(self, refresh_hash: str) -> Session | None:
        everyone = self._shelf.sessions.values()
        return next((one for one in everyone if one.refresh_hash == refresh_hash), None)

    @override
    def spend(self, token: SpentToken) -> None:
        self._shelf.spent[token.refresh_hash] = token

    @override
    async def end_robbed(self, refresh_hash: str) -> Session | None:
        spent = self._shelf.spent.get(refresh_hash)
        robbed = self._shelf.sessions.get(spent.session_id) if spent else None
        if robbed is not None:
            await self.end(robbed.id)
        return robbed

    @override
    async def end(self, session_id: UUID) -> None:
        self._keep([one for one in self._shelf.sessions.values() if one.id != session_id])

    @override
    async def end_all(self, user_id: UUID, *, but: UUID | None = None) -> None:
        sessions = self._shelf.sessions.values()
        self._keep([one for one in sessions if one.user_id != user_id or one.id == but])

    @override
    async def forget_expired(self, now: datetime) -> None:
        self._keep([one for one in self._shelf.sessions.values() if one.alive_at(now)])

    def _keep(self, sessions: Sequence[Session]) -> None:
        self._shelf.sessions = {session.id: session for session in sessions}
        self._shelf.spent = {
            key: token
            for key, token in self._shelf.spent.items()
            if token.session_id in self._shelf.sessions
        }


class InMemoryFailedSignIns(FailedSignIns):
    def __init__(self, shelf: AccountsShelf) -> None:
        self._shelf = shelf

    @override
    async def of(self, name: str, *, since: datetime) -> Failures | None:
        found = self._shelf.failures.get(name)
        return found if found and found.since >= since else None

    @override
    async def count(self, name: str, *, now: datetime, since: datetime) -> Failures:
        running = await self.of(name, since=since)
        counted = Failures(running.count + 1, running.since) if running else Failures(1, now)
        self._shelf.failures[name] = counted
        return counted

    @override
    async def clear(self, name: str) -> None:
        self._shelf.failures.pop(name, None)

    @override
    async def forget(self, *, before: datetime) -> None:
        failures = self._shelf.failures.items()
        self._shelf.failures = {name: one for name, one in failures if one.since >= before}


class InMemoryPersonalData(PersonalData):
    sections = ("account", "sessions")

    def __init__(self, shelf: AccountsShelf) -> None:
        self._shelf = shelf

    @override
    async def page(
        self, section: str, user: User, *, after: Sequence[Any] | None, limit: int
    ) -> tuple[Sequence[Mapping[str, Any]], Sequence[Any] | None]:
        if section == "account":
            return [{"id": user.id, "email": user.email, "created_at": user.created_at}], None
        theirs = sorted(s.id for s in self._shelf.sessions.values() if s.user_id == user.id)
        behind = [each for each in theirs if after is None or each > after[0]][:limit]
        return [{"id": each} for each in behind], behind[-1:] if len(behind) == limit else None


class PlainHasher(PasswordHasher):
    """Keeps passwords as they are, marked; what is marked "old:" wants to be renewed.
    Says `asked` when a verdict is wanted, which waits for `deciding`."""

    def __init__(self) -> None:
        self.verified = 0
        self.asked, self.deciding = asyncio.Event(), asyncio.Event()
        self.deciding.set()

    @override
    async def hash(self, password: str) -> str:
        await asyncio.sleep(0)
        return f"plain:{password}"

    @override
    async def verify(self, password: str, kept: str | None) -> Verdict:
        self.verified += 1
        self.asked.set()
        await asyncio.sleep(0)
        await self.deciding.wait()
        if kept == f"old:{password}":
            return Verdict(True, f"plain:{password}")
        return Verdict(kept == f"plain:{password}")


class RememberedTokens(TokenIssuer):
    """Gives out names and remembers what they stand for."""

    def __init__(self, lifetime: timedelta = timedelta(minutes=15)) -> None:
        self._lifetime = lifetime
        self._given: dict[str, tuple[Claims, datetime]] = {}

    @override
    def issue(self, claims: Claims, now: datetime) -> AccessToken:
        token = f"token-{new_id()}"
        self._given[token] = (claims, now + self._lifetime)
        return AccessToken(token, int(self._lifetime.total_seconds()))

    @override
    def verify(self, token: str, now: datetime) -> Claims:
        claims, end = self._given.get(token, (None, now))
        if claims is None or now >= end:
            raise InvalidToken
        return claims


def _last_id(request: PageRequest) -> UUID:
    key = request.after(str)
    try:
        return UUID(key[0]) if key else UUID(int=0)
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidCursor from error

"""Signing up and in, staying signed in, and who may do what."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from app.domains.accounts.errors import (
    EmailTaken,
    InvalidCredentials,
    InvalidToken,
    LastAdmin,
    PasswordNeeded,
    UserNotFound,
)
from app.domains.accounts.model import Role, Session, User, checked_email, spelled
from app.domains.accounts.model.passwords import PasswordPolicy
from app.domains.accounts.ports import AccountsWork, Claims, PasswordHasher, TokenIssuer
from app.domains.accounts.service.throttling import SignInThrottle
from app.ports.audit import Act, Subject
from app.ports.clock import Clock
from app.shared.errors import Forbidden
from app.shared.ids import new_id
from app.shared.pages import Page, PageRequest

# Whoever signed in just now has said the password just now.
_FRESH = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a reader holds while signed in; `expires_in` is in seconds."""

    access_token: str
    expires_in: int
    refresh_token: str


class AccountsService:
    def __init__(
        self,
        *,
        begin: Callable[[], AccountsWork],
        hasher: PasswordHasher,
        tokens: TokenIssuer,
        clock: Clock,
        policy: PasswordPolicy,
        throttle: SignInThrottle,
        session_lifetime: timedelta = timedelta(days=30),
    ) -> None:
        self._begin = begin
        self._hasher = hasher
        self._tokens = tokens
        self._clock = clock
        self._policy = policy
        self._throttle = throttle
        self._session_lifetime = session_lifetime

    async def sign_up(self, email: str, password: str, display_name: str | None = None) -> User:
        """A new member. Raises InvalidEmail, WeakPassword, EmailTaken."""
        return await self._enrol(email, password, Role.MEMBER, display_name)

    async def sign_in(self, email: str, password: str, *, address: str | None = None) -> Tokens:
        """Begin a session. InvalidCredentials for whatever does not fit, in the same words
        and at the same cost; TooManySignIns once the patience with the account, or with the
        network of the address it comes from, is used up."""
        async with self._begin() as work:
            await self._throttle.admit(work, email, address)
            found = await work.users.by_email(spelled(email))
        user, renewed = await self._proven(found, email, password, address)
        refresh_token = secrets.token_urlsafe(32)
        session = self._session(user, refresh_token)
        async with self._begin() as work:
            await self._throttle.admit(work, email, address)
            held = await _as_proven(work, user)
            held.password_hash = renewed or held.password_hash
            work.sessions.add(session)
            await self._throttle.clear(work, email)
        return self._handed(session, refresh_token)

    async def refresh(self, refresh_token: str) -> Tokens:
        """Exchange a refresh token, once: InvalidToken after that, and the session ends,
        because of two who hold the same token one is a thief."""
        now, follower = self._clock.now(), secrets.token_urlsafe(32)
        async with self._begin() as work:
            session = await work.sessions.hold(_fingerprint(refresh_token))
            if session is None:
                robbed = await work.sessions.end_robbed(_fingerprint(refresh_token))
                if robbed is not None:
                    about = Subject("session", str(robbed.id))
                    await work.audit.note(Act.SESSION_ROBBED, about, user=str(robbed.user_id))
            elif session.alive_at(now):
                work.sessions.spend(session.exchange(_fingerprint(follower), now))
        # Only out here: an error inside would take back the end of a robbed session.
        if session is None or not session.alive_at(now):
            raise InvalidToken
        return self._handed(session, follower)

    async def authenticate(self, access_token: str) -> tuple[User, UUID]:
        """Whose token this is, as they are now, and their session: one read. InvalidToken
        when the token, the session or the user is no longer good."""
        now = self._clock.now()
        claims = self._tokens.verify(access_token, now)
        async with self._begin() as work:
            standing = await work.sessions.standing(claims.session_id, claims.user_id)
        if standing is None:
            raise InvalidToken
        user, session = standing
        if user.disabled or not session.alive_at(now):
            raise InvalidToken
        return user, session.id

    async def sign_out(self, user: User, session_id: UUID, *, everywhere: bool = False) -> None:
        async with self._begin() as work:
            if everywhere:
                await work.sessions.end_all(user.id)
            else:
                await work.sessions.end(session_id)

    async def rename(self, user: User, display_name: str) -> User:
        async with self._begin() as work:
            held = await _held(work, user.id)
            held.display_name = display_name
        return held

    async def change_password(
        self, user: User, session_id: UUID, *, current: str, new: str
    ) -> None:
        """Keep this session and end the others. InvalidCredentials when `current` is wrong,
        which counts as a failed sign-in; WeakPassword."""
        self._policy.check(new, email=user.email)
        user = await self._asked_again(user, current)
        password_hash = await self._hasher.hash(new)
        async with self._begin() as work:
            held = await _as_proven(work, user)
            held.password_hash = password_hash
            await work.sessions.end_all(user.id, but=session_id)
            await _note(work, Act.PASSWORD_CHANGED, held)

    async def erase_account(
        self, user: User, session_id: UUID, *, password: str | None = None
    ) -> None:
        """Forget the user. PasswordNeeded without the password, unless the session began
        within the last 15 minutes; InvalidCredentials when it is wrong, which counts as a
        failed sign-in; OpenLoans while something is borrowed; LastAdmin."""
        if password is None:
            await self._require_fresh(user, session_id)
        else:
            user = await self._asked_again(user, password)
        async with self._begin() as work:
            admins = await work.users.hold_admins() if user.governs else ()
            held = await _held(work, user.id)
            if held.governs and len(admins) == 1:
                raise LastAdmin
            await self._throttle.clear(work, held.email)
            await work.users.remove(held)
            await _note(work, Act.ACCOUNT_ERASED, held)

    async def list_users(self, actor: User, q: str | None, page: PageRequest) -> Page[User]:
        _require_admin(actor)
        async with self._begin() as work:
            if page.cursor is None:
                about = Subject("users", "")
                await work.audit.note(Act.USERS_LISTED, about, searched=q is not None)
            return await work.users.page(q, page)

    async def change_user(
        self,
        actor: User,
        user_id: UUID,
        *,
        role: Role | None = None,
        disabled: bool | None = None,
    ) -> User:
        """Takes effect on that user's next request. LastAdmin rather than none."""
        _require_admin(actor)
        async with self._begin() as work:
            admins = await work.users.hold_admins()
            user = await _held(work, user_id)
            if role is not None:
                await _promote(work, user, role)
            if disabled is not None and disabled != user.disabled:
                user.disabled = disabled
                await _note(work, Act.USER_DISABLED if disabled else Act.USER_ENABLED, user)
            if user.disabled:
                await work.sessions.end_all(user.id)
            _keep_an_admin(admins)
        return user

    async def grant(self, email: str, role: Role) -> User:
        """For whoever runs the machine. UserNotFound, LastAdmin."""
        async with self._begin() as work:
            admins = await work.users.hold_admins()
            user = await work.users.by_email(spelled(email))
            if user is None:
                raise UserNotFound(f"Nobody has the address {email}.")
            await _promote(work, user, role)
            _keep_an_admin(admins)
        return user

    async def create_admin(self, email: str, password: str) -> User:
        """Raises as sign_up does."""
        return await self._enrol(email, password, Role.ADMIN)

    async def ensure_first_admin(self, email: str, password: str) -> bool:
        """Where nobody governs yet, let this address do so with this password, and end what
        sessions it has: whoever signed up with it before need not be its owner. Whether
        anything was done."""
        async with self._begin() as work:
            if await work.users.hold_admins():
                return False
        try:
            await self.create_admin(email, password)
        except EmailTaken:
            await self._take_over(email, password)
        return True

    async def forget_expired(self) -> None:
        """Drop sessions that ran out and failed sign-ins that no longer count."""
        now = self._clock.now()
        async with self._begin() as work:
            await work.sessions.forget_expired(now)
            await self._throttle.forget(work)

    async def _enrol(
        self, email: str, password: str, role: Role, display_name: str | None = None
    ) -> User:
        email = checked_email(email)
        self._policy.check(password, email=email)
        user = User(
            id=new_id(),
            email=email,
            display_name=display_name or email.partition("@")[0],
            role=role,
            password_hash=await self._hasher.hash(password),
            disabled=False,
            created_at=self._clock.now(),
        )
        async with self._begin() as work:
            work.users.add(user)
            if role == Role.ADMIN:
                await _note(work, Act.ADMIN_CREATED, user)
        return user

    async def _take_over(self, email: str, password: str) -> None:
        password_hash = await self._hasher.hash(password)
        async with self._begin() as work:
            user = await work.users.by_email(spelled(email))
            if user is None:
                raise UserNotFound
            user.role, user.disabled, user.password_hash = Role.ADMIN, False, password_hash
            await work.sessions.end_all(user.id)
            await _note(work, Act.ADMIN_CREATED, user, taken_over=True)

    async def _proven(
        self, user: User | None, email: str, password: str, address: str | None = None
    ) -> tuple[User, str | None]:
        """The user whose password this is, and a hash to keep instead of an outdated one."""
        verdict = await self._hasher.verify(password, user.password_hash if user else None)
        if user is None or user.disabled or not verdict.right:
            async with self._begin() as work:
                refusal = await self._throttle.count(work, email, address, user)
            # Only out here: an error inside would take back the count.
            raise refusal or InvalidCredentials
        return user, verdict.renewed

    async def _require_fresh(self, user: User, session_id: UUID) -> None:
        """Raises PasswordNeeded unless the password was said, to begin the session, just now."""
        async with self._begin() as work:
            standing = await work.sessions.standing(session_id, user.id)
        if standing is None or not standing[1].begun_after(self._clock.now() - _FRESH):
            raise PasswordNeeded("You signed in a while ago: send your password with it.")

    async def _asked_again(self, user: User, password: str) -> User:
        """The user, whose password this is."""
        async with self._begin() as work:
            await self._throttle.admit(work, user.email, None)
        proven, _ = await self._proven(user, user.email, password)
        return proven

    def _session(self, user: User, refresh_token: str) -> Session:
        now = self._clock.now()
        return Session(
            id=new_id(),
            user_id=user.id,
            refresh_hash=_fingerprint(refresh_token),
            created_at=now,
            expires_at=now + self._session_lifetime,
        )

    def _handed(self, session: Session, refresh_token: str) -> Tokens:
        claims = Claims(user_id=session.user_id, session_id=session.id)
        access = self._tokens.issue(claims, self._clock.now())
        return Tokens(access.token, access.expires_in, refresh_token)


def _fingerprint(refresh_token: str) -> str:
    """A token of 256 random bits needs no slow hash."""
    return hashlib.sha256(refresh_token.encode()).hexdigest()


def _require_admin(actor: User) -> None:
    if not actor.governs:
        raise Forbidden("Only an admin may do that.")


def _keep_an_admin(admins: Sequence[User]) -> None:
    """Of those who governed when the work began, one must still do."""
    if admins and not any(admin.governs for admin in admins):
        raise LastAdmin


async def _held(work: AccountsWork, user_id: UUID) -> User:
    user = await work.users.hold(user_id)
    if user is None:
        raise UserNotFound
    return user


async def _promote(work: AccountsWork, user: User, role: Role) -> None:
    if user.role != role:
        await _note(work, Act.ROLE_CHANGED, user, before=user.role, after=role)
        user.role = role


async def _note(work: AccountsWork, act: Act, user: User, **details: Any) -> None:
    await work.audit.note(act, Subject("user", str(user.id)), **details)


async def _as_proven(work: AccountsWork, user: User) -> User:
    """The user, held; InvalidCredentials when password or standing changed meanwhile, so
    that a session begun with an old password does not outlive its change."""
    held = await work.users.hold(user.id)
    if held is None or held.disabled or held.password_hash != user.password_hash:
        raise InvalidCredentials
    return held

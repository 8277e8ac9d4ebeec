"""Who you are and what you may do."""

import ipaddress
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from app.domains.accounts.errors import InvalidEmail

MAX_EMAIL = 254


class Role(StrEnum):
    MEMBER = "member"
    LIBRARIAN = "librarian"
    ADMIN = "admin"


@dataclass(eq=False, kw_only=True)
class User:
    """Somebody with an account. The e-mail is kept in the case it was typed in, and unique
    without case."""

    id: UUID
    email: str
    display_name: str
    role: str
    password_hash: str
    disabled: bool
    created_at: datetime

    @property
    def keeps_the_library(self) -> bool:
        """May change what belongs to others: librarians and admins."""
        return self.role in (Role.LIBRARIAN, Role.ADMIN)

    @property
    def governs(self) -> bool:
        return self.role == Role.ADMIN and not self.disabled


@dataclass(eq=False, kw_only=True)
class SpentToken:
    """A refresh token that was exchanged: whoever shows it again did not get it from us."""

    refresh_hash: str
    session_id: UUID
    spent_at: datetime


@dataclass(eq=False, kw_only=True)
class Session:
    """One sign-in: the family of refresh tokens that followed from it. Only the hash of
    the current one is kept. A session that ends is removed, and its tokens with it."""

    id: UUID
    user_id: UUID
    refresh_hash: str
    created_at: datetime
    expires_at: datetime

    def alive_at(self, now: datetime) -> bool:
        return now < self.expires_at

    def begun_after(self, moment: datetime) -> bool:
        return self.created_at > moment

    def exchange(self, refresh_hash: str, now: datetime) -> SpentToken:
        """Go on with another refresh token; what is left of the present one."""
        spent = SpentToken(refresh_hash=self.refresh_hash, session_id=self.id, spent_at=now)
        self.refresh_hash = refresh_hash
        return spent


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed sign-ins on one account since the first of them."""

    count: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Patience:
    """How many failed sign-ins there may be within a window."""

    limit: int = 10
    window: timedelta = timedelta(minutes=15)

    def wait(self, failures: Failures | None, now: datetime) -> int:
        """Seconds until the next try once the limit is reached; else 0."""
        if failures is None or failures.count < self.limit:
            return 0
        return max(0, -int((now - failures.since - self.window).total_seconds() // 1))


def network_of(address: str | None) -> str | None:
    """What one subscriber has: the IPv4 address, or of an IPv6 address the first 64 bits. None
    for what is no address of the internet's protocols (a local socket)."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), 64), strict=False))


def spelled(email: str) -> str:
    """The address as every keyboard writes it (NFKC): an é of one character or of two, wide
    letters or plain ones are the same address, and nobody signs up beside a reader with it."""
    return unicodedata.normalize("NFKC", email).strip()


def checked_email(text: str) -> str:
    """The address in its one spelling; raises InvalidEmail for what cannot be one.

    Whether mail arrives there is not asked: one @, something on both sides, printable.
    """
    email = spelled(text)
    name, _, host = email.partition("@")
    printable = email.isprintable() and " " not in email
    if not (name and host and printable) or "@" in host or len(email) > MAX_EMAIL:
        raise InvalidEmail(f"An address has one @, no blanks and up to {MAX_EMAIL} characters.")
    return email

"""Slowing down whoever guesses passwords: by account, and by address of the network.

The counts are in the database, so that any number of processes share them, and run out by
themselves: nobody is locked out for good, and who is signed in stays so.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from app.domains.accounts.errors import TooManySignIns
from app.domains.accounts.model import Patience, User, network_of, spelled
from app.domains.accounts.ports import AccountsWork
from app.ports.audit import Act, Subject
from app.ports.clock import Clock

_ON_THE_ACCOUNT = "There were too many failed sign-ins on this account. Wait, then try again."
_FROM_THE_ADDRESS = "There were too many failed sign-ins from your network. Wait, then try again."


@dataclass(frozen=True, slots=True)
class _Count:
    """One of the counts a try is in: under which name, how far it may go, what it is of."""

    name: str
    patience: Patience
    subject: Subject
    told: str


class SignInThrottle:
    """Lets `per_account` failed tries happen on one account, and `per_address` from one
    network (none: without limit), in their windows."""

    def __init__(
        self, *, clock: Clock, per_account: Patience, per_address: Patience | None = None
    ) -> None:
        self._clock = clock
        self._per_account = per_account
        self._per_address = per_address

    async def admit(self, work: AccountsWork, email: str, address: str | None) -> None:
        """Raises TooManySignIns with the time to wait once one of the counts is full."""
        now = self._clock.now()
        for count in self._counts(email, address, None):
            since = now - count.patience.window
            running = await work.failed_sign_ins.of(count.name, since=since)
            if wait := count.patience.wait(running, now):
                raise TooManySignIns(count.told, retry_after=wait)

    async def count(
        self, work: AccountsWork, email: str, address: str | None, user: User | None
    ) -> TooManySignIns | None:
        """One more failure; the refusal, for what comes in above a limit. Guesses made at the
        same time so learn no more than the limit allows: they are told to wait, right or wrong."""
        refusal = None
        for count in self._counts(email, address, user):
            now = self._clock.now()
            since = now - count.patience.window
            failures = await work.failed_sign_ins.count(count.name, now=now, since=since)
            if failures.count == count.patience.limit:
                # Once a window: who guesses on must not fill the log.
                await self._note(work, count)
            if failures.count > count.patience.limit:
                wait = max(1, count.patience.wait(failures, now))
                refusal = TooManySignIns(count.told, retry_after=wait)
        return refusal

    async def clear(self, work: AccountsWork, email: str) -> None:
        """After a success. The network's count stays: a guesser may have an account too."""
        await work.failed_sign_ins.clear(_account(email))

    async def forget(self, work: AccountsWork) -> None:
        """Drop what no longer counts."""
        windows = [each.window for each in (self._per_account, self._per_address) if each]
        await work.failed_sign_ins.forget(before=self._clock.now() - max(windows))

    async def _note(self, work: AccountsWork, count: _Count) -> None:
        await work.audit.note(
            Act.SIGN_IN_THROTTLED,
            count.subject,
            outcome="refused",
            failures=count.patience.limit,
            minutes=int(count.patience.window.total_seconds() // 60),
        )

    def _counts(self, email: str, address: str | None, user: User | None) -> Iterator[_Count]:
        # Always in this order: two that count at once never wait for each other.
        yield _Count(_account(email), self._per_account, _subject(email, user), _ON_THE_ACCOUNT)
        network = network_of(address)
        if self._per_address and network:
            subject = Subject("address", network)
            yield _Count(f"address:{network}", self._per_address, subject, _FROM_THE_ADDRESS)


def _account(email: str) -> str:
    """No address of a network can be typed as an account: each kind has its prefix."""
    return f"account:{spelled(email).lower()}"


def _subject(email: str, user: User | None) -> Subject:
    """An address nobody here has may be somebody's elsewhere: the log keeps a part of its hash,
    enough to see that it was the same one again."""
    if user is not None:
        return Subject("user", str(user.id))
    digest = hashlib.sha256(spelled(email).lower().encode("utf-8", "replace")).hexdigest()
    return Subject("unknown_account", digest[:16])

"""What may be spent on questions to a model, in tokens, and who pays for them.

Who pays is said once, by whoever starts the work (the worker around a job, the API around a
request), and holds for everything that is asked meanwhile.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from app.ports.llm import ModelRefused, ModelUnavailable
from app.shared.errors import TooMany


class BudgetSpent(TooMany, ModelUnavailable):
    """`retry_after` is when the account starts anew, in seconds from now."""

    code = "budget_spent"
    title = "The day's tokens for the language model are spent"


class JobBudgetSpent(ModelRefused):
    """No wait helps: what a job may spend never starts anew."""

    code = "job_budget_spent"
    title = "This job has spent its tokens for the language model"


@dataclass(frozen=True, slots=True)
class Payer:
    """On whose account questions go: a job, the user it works for, both or nobody."""

    job_id: UUID | None = None
    user_id: UUID | None = None


NOBODY = Payer()
_CURRENT: ContextVar[Payer] = ContextVar("payer", default=NOBODY)


@contextmanager
def paid_by(payer: Payer) -> Iterator[None]:
    """Within the block, and in tasks started there, the payer pays."""
    token = _CURRENT.set(payer)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_payer() -> Payer:
    return _CURRENT.get()


@dataclass(frozen=True, slots=True)
class Full:
    """The account that has no room, and what was taken from it so far."""

    account: str
    taken: int


class BudgetLedger(ABC):
    """Tokens taken, by account; one ledger for all processes. An account begins at 0 when
    it is first named and is forgotten a month after its last use.

    Raises Unavailable when it cannot be reached; nothing is taken then.
    """

    @abstractmethod
    async def take(self, tokens: int, caps: Mapping[str, int]) -> Full | None:
        """Take the tokens from every account or, where one would exceed its cap, from none
        and say which."""

    @abstractmethod
    async def correct(self, accounts: Iterable[str], by: int) -> None:
        """Add `by` to what was taken from the accounts; less than 0 gives back."""

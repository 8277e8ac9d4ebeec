"""The accounts service over fakes, and what the tests look at behind it."""

from dataclasses import dataclass, field
from uuid import UUID

import pytest

from app.domains.accounts.errors import InvalidCredentials, InvalidToken
from app.domains.accounts.model import Patience, User
from app.domains.accounts.model.passwords import PasswordPolicy
from app.domains.accounts.service import AccountsService, SignInThrottle, Tokens
from tests.fakes.accounts import InMemoryAccounts, PlainHasher, RememberedTokens
from tests.fakes.clock import FrozenClock

EMAIL, PASSWORD, OTHER = "ann@example.com", "a plain sentence", "quite another one"


@dataclass
class Desk:
    kept: InMemoryAccounts = field(default_factory=InMemoryAccounts)
    hasher: PlainHasher = field(default_factory=PlainHasher)
    clock: FrozenClock = field(default_factory=FrozenClock)
    per_address: Patience | None = None

    def __post_init__(self) -> None:
        self.accounts = AccountsService(
            begin=self.kept.begin,
            hasher=self.hasher,
            tokens=RememberedTokens(),
            clock=self.clock,
            policy=PasswordPolicy(),
            throttle=SignInThrottle(
                clock=self.clock, per_account=Patience(), per_address=self.per_address
            ),
        )

    async def admin(self, email: str = "ruler@example.com") -> User:
        return await self.accounts.create_admin(email, PASSWORD)

    async def signed_in(self, email: str = EMAIL) -> Tokens:
        await self.accounts.sign_up(email, PASSWORD)
        return await self.accounts.sign_in(email, PASSWORD)

    async def who(self, tokens: Tokens) -> tuple[User, UUID]:
        return await self.accounts.authenticate(tokens.access_token)

    async def is_signed_in(self, tokens: Tokens) -> bool:
        try:
            await self.who(tokens)
        except InvalidToken:
            return False
        return True

    async def fail_to_sign_in(self, times: int, email: str = EMAIL) -> None:
        for _ in range(times):
            with pytest.raises(InvalidCredentials):
                await self.accounts.sign_in(email, "a wrong sentence")

"""What every PasswordHasher keeps to, and what BcryptHasher promises besides."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from passlib.hash import bcrypt

from app.adapters.passwords.bcrypt import BcryptHasher, HasherBusy
from app.domains.accounts.ports import PasswordHasher, Verdict
from tests.fakes.accounts import PlainHasher

AWKWARD = {
    "73 bytes": "a" * 73,
    "74 bytes": "a" * 74,
    "spaces": "   leading and trailing   ",
    "emoji": "🦊🦊🐻🐻🐼🐼",
    "zero byte": "before\x00after",
    "composed": "caf\u00e9 au lait",
    "decomposed": "cafe\u0301 au lait",
    "longest": "x" * 1024,
}


@contextmanager
def bcrypt_hasher(waiting: int = 64, rounds: int = 4) -> Iterator[BcryptHasher]:
    hasher = BcryptHasher(rounds=rounds, waiting=waiting)
    try:
        yield hasher
    finally:
        hasher.close()


@pytest.fixture(params=["plain", "bcrypt"])
def hasher(request: pytest.FixtureRequest) -> Iterator[PasswordHasher]:
    if request.param == "plain":
        yield PlainHasher()
        return
    with bcrypt_hasher() as real:
        yield real


@pytest.mark.parametrize("password", AWKWARD.values(), ids=AWKWARD.keys())
async def test_a_password_is_known_again(hasher: PasswordHasher, password: str) -> None:
    kept = await hasher.hash(password)
    assert await hasher.verify(password, kept) == Verdict(True)


@pytest.mark.parametrize("password", AWKWARD.values(), ids=AWKWARD.keys())
async def test_no_other_password_passes_for_it(hasher: PasswordHasher, password: str) -> None:
    kept = await hasher.hash(password)
    others = [*(other for other in AWKWARD.values() if other != password), password + "!", ""]
    verdicts = [await hasher.verify(other, kept) for other in others]
    assert verdicts == [Verdict(False)] * len(others)


async def test_nothing_is_right_for_an_unknown_user(hasher: PasswordHasher) -> None:
    verdicts = [await hasher.verify(password, None) for password in AWKWARD.values()]
    assert verdicts == [Verdict(False)] * len(AWKWARD)


async def test_passwords_that_differ_behind_the_72nd_byte_differ() -> None:
    with bcrypt_hasher() as hasher:
        kept = await hasher.hash("a" * 72 + "b")
        assert not (await hasher.verify("a" * 72 + "c", kept)).right


async def test_the_same_password_is_salted_differently_each_time() -> None:
    with bcrypt_hasher() as hasher:
        hashes = {await hasher.hash("a plain sentence") for _ in range(8)}
    assert len(hashes) == 8


async def test_an_outdated_hash_is_renewed_once_the_password_was_right() -> None:
    outdated = bcrypt.using(rounds=4).hash("a plain sentence")
    with bcrypt_hasher() as hasher:
        assert await hasher.verify("another sentence", outdated) == Verdict(False)
        verdict = await hasher.verify("a plain sentence", outdated)
        assert verdict.right
        assert await hasher.verify("a plain sentence", verdict.renewed) == Verdict(True)


async def test_the_self_test_passes_with_the_installed_packages() -> None:
    with bcrypt_hasher() as hasher:
        await hasher.self_test()


async def test_who_finds_the_queue_full_is_sent_away_and_the_others_are_served() -> None:
    with bcrypt_hasher(waiting=3, rounds=9) as hasher:
        answers = await asyncio.gather(
            *(hasher.hash("a plain sentence") for _ in range(20)), return_exceptions=True
        )
        refused = [answer for answer in answers if isinstance(answer, HasherBusy)]
        served = [answer for answer in answers if isinstance(answer, str)]
        assert len(served) + len(refused) == 20
        assert len(served) >= 5
        assert refused
        assert await hasher.hash("room again")


async def test_callers_who_go_away_leave_their_places() -> None:
    with bcrypt_hasher(waiting=3) as hasher:
        tasks = [asyncio.create_task(hasher.hash("a plain sentence")) for _ in range(5)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        hashes = await asyncio.gather(*(hasher.hash("another") for _ in range(3)))
        assert len(hashes) == 3

"""Signing up, in, on and out."""

import asyncio
from datetime import timedelta

import pytest

from app.domains.accounts.errors import (
    EmailTaken,
    InvalidCredentials,
    InvalidEmail,
    InvalidToken,
    TooManySignIns,
    WeakPassword,
)
from app.domains.accounts.model import Role
from app.domains.accounts.service import Tokens
from tests.domains.accounts.desk import EMAIL, OTHER, PASSWORD, Desk


async def test_who_signs_up_is_a_member_named_after_the_address(desk: Desk) -> None:
    user = await desk.accounts.sign_up("  Ann@Example.com ", PASSWORD)
    assert (user.email, user.display_name, user.role) == ("Ann@Example.com", "Ann", Role.MEMBER)


async def test_who_gives_a_name_has_it(desk: Desk) -> None:
    assert (await desk.accounts.sign_up(EMAIL, PASSWORD, "Annie")).display_name == "Annie"


@pytest.mark.parametrize(
    "email",
    ["", "@", "ann", "ann@", "@example.com", "a@b@c", "a n@b.c", "a\n@b.c", "a" * 250 + "@b.cd"],
)
async def test_what_cannot_be_an_address_is_refused(desk: Desk, email: str) -> None:
    with pytest.raises(InvalidEmail):
        await desk.accounts.sign_up(email, PASSWORD)


async def test_an_address_has_one_account_whatever_its_case(desk: Desk) -> None:
    await desk.accounts.sign_up(EMAIL, PASSWORD)
    with pytest.raises(EmailTaken):
        await desk.accounts.sign_up(EMAIL.upper(), PASSWORD)


async def test_a_weak_password_is_refused(desk: Desk) -> None:
    with pytest.raises(WeakPassword):
        await desk.accounts.sign_up(EMAIL, "password1")


async def test_who_signs_in_is_known_by_the_access_token(desk: Desk) -> None:
    tokens = await desk.signed_in()
    user, session_id = await desk.who(tokens)
    assert user.email == EMAIL
    assert session_id in desk.kept.shelf.sessions
    assert tokens.expires_in == 900


async def test_case_and_blanks_of_the_address_do_not_matter(desk: Desk) -> None:
    await desk.accounts.sign_up(EMAIL, PASSWORD)
    assert await desk.is_signed_in(await desk.accounts.sign_in(f" {EMAIL.upper()} ", PASSWORD))


async def test_no_refresh_token_is_kept_as_it_is(desk: Desk) -> None:
    tokens = await desk.signed_in()
    assert tokens.refresh_token not in repr(desk.kept.shelf)


async def test_a_wrong_password_and_an_unknown_address_look_alike(desk: Desk) -> None:
    await desk.accounts.sign_up(EMAIL, PASSWORD)
    with pytest.raises(InvalidCredentials) as wrong:
        await desk.accounts.sign_in(EMAIL, OTHER)
    with pytest.raises(InvalidCredentials) as unknown:
        await desk.accounts.sign_in("nobody@example.com", OTHER)
    assert wrong.value.detail == unknown.value.detail
    assert desk.hasher.verified == 2


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
async def test_after_ten_failures_nobody_gets_in_for_a_while(desk: Desk, email: str) -> None:
    await desk.accounts.sign_up(EMAIL, PASSWORD)
    await desk.fail_to_sign_in(10, email)
    desk.clock.advance(timedelta(minutes=5))
    hashed = desk.hasher.verified
    with pytest.raises(TooManySignIns) as refusal:
        await desk.accounts.sign_in(email.upper(), PASSWORD)
    assert refusal.value.retry_after == 600
    assert desk.hasher.verified == hashed


async def test_after_the_wait_the_right_password_works_again(desk: Desk) -> None:
    await desk.accounts.sign_up(EMAIL, PASSWORD)
    await desk.fail_to_sign_in(10)
    desk.clock.advance(timedelta(minutes=15))
    assert await desk.is_signed_in(await desk.accounts.sign_in(EMAIL, PASSWORD))


async def test_a_success_clears_the_failures(desk: Desk) -> None:
    await desk.accounts.sign_up(EMAIL, PASSWORD)
    for _ in range(3):
        await desk.fail_to_sign_in(9)
        await desk.accounts.sign_in(EMAIL, PASSWORD)


async def test_guesses_at_the_same_time_learn_no_more_than_ten(desk: Desk) -> None:
    await desk.accounts.sign_up(EMAIL, PASSWORD)
    guesses = [f"guess {n}" for n in range(40)] + [PASSWORD]
    ends = await asyncio.gather(
        *(desk.accounts.sign_in(EMAIL, guess) for guess in guesses), return_exceptions=True
    )
    assert sum(isinstance(end, InvalidCredentials) for end in ends) == 10
    assert sum(isinstance(end, TooManySignIns) for end in ends) == 31


async def test_readers_who_know_their_password_may_sign_in_all_at_once(desk: Desk) -> None:
    await desk.accounts.sign_up(EMAIL, PASSWORD)
    tokens = await asyncio.gather(*(desk.accounts.sign_in(EMAIL, PASSWORD) for _ in range(50)))
    assert all([await desk.is_signed_in(one) for one in tokens])


async def test_an_outdated_hash_is_renewed_at_sign_in(desk: Desk) -> None:
    user = await desk.accounts.sign_up(EMAIL, PASSWORD)
    desk.kept.shelf.users[user.id].password_hash = f"old:{PASSWORD}"
    await desk.accounts.sign_in(EMAIL, PASSWORD)
    assert desk.kept.shelf.users[user.id].password_hash == f"plain:{PASSWORD}"


async def test_an_access_token_ends_but_is_followed_by_another(desk: Desk) -> None:
    first = await desk.signed_in()
    desk.clock.advance(timedelta(minutes=20))
    assert not await desk.is_signed_in(first)
    second = await desk.accounts.refresh(first.refresh_token)
    assert await desk.is_signed_in(second)
    assert second.refresh_token != first.refresh_token


async def test_a_spent_refresh_token_ends_the_whole_session(desk: Desk) -> None:
    first = await desk.signed_in()
    second = await desk.accounts.refresh(first.refresh_token)
    third = await desk.accounts.refresh(second.refresh_token)
    with pytest.raises(InvalidToken):
        await desk.accounts.refresh(first.refresh_token)
    assert not await desk.is_signed_in(third)
    with pytest.raises(InvalidToken):
        await desk.accounts.refresh(third.refresh_token)


async def test_of_50_exchanges_at_once_one_wins_and_the_session_ends(desk: Desk) -> None:
    first = await desk.signed_in()
    ends = await asyncio.gather(
        *(desk.accounts.refresh(first.refresh_token) for _ in range(50)), return_exceptions=True
    )
    assert sum(isinstance(end, Tokens) for end in ends) == 1
    assert sum(isinstance(end, InvalidToken) for end in ends) == 49
    assert not await desk.is_signed_in(first)


async def test_a_session_ends_after_thirty_days_however_often_it_is_refreshed(desk: Desk) -> None:
    tokens = await desk.signed_in()
    for _ in range(29):
        desk.clock.advance(timedelta(days=1))
        tokens = await desk.accounts.refresh(tokens.refresh_token)
    desk.clock.advance(timedelta(days=1))
    with pytest.raises(InvalidToken):
        await desk.accounts.refresh(tokens.refresh_token)
    assert not await desk.is_signed_in(tokens)


async def test_an_invented_refresh_token_ends_nobodys_session(desk: Desk) -> None:
    tokens = await desk.signed_in()
    with pytest.raises(InvalidToken):
        await desk.accounts.refresh("invented")
    assert await desk.is_signed_in(tokens)


async def test_signing_out_ends_this_session_only(desk: Desk) -> None:
    first = await desk.signed_in()
    second = await desk.accounts.sign_in(EMAIL, PASSWORD)
    await desk.accounts.sign_out(*await desk.who(first))
    assert not await desk.is_signed_in(first)
    with pytest.raises(InvalidToken):
        await desk.accounts.refresh(first.refresh_token)
    assert await desk.is_signed_in(second)


async def test_signing_out_everywhere_ends_all_of_ones_own_sessions(desk: Desk) -> None:
    first = await desk.signed_in()
    second = await desk.accounts.sign_in(EMAIL, PASSWORD)
    other = await desk.signed_in("bob@example.com")
    await desk.accounts.sign_out(*await desk.who(first), everywhere=True)
    assert [await desk.is_signed_in(one) for one in (first, second, other)] == [False, False, True]

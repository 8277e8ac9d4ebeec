"""Guessing passwords: how far one gets on one account, and from one network."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domains.accounts.errors import InvalidCredentials, TooManySignIns
from app.domains.accounts.model import Patience, network_of
from app.ports.audit import Act
from tests.domains.accounts.desk import EMAIL, OTHER, PASSWORD, Desk

HERE, THERE = "203.0.113.7", "198.51.100.9"


@pytest.fixture
def desk() -> Desk:
    return Desk(per_address=Patience(limit=25))


async def guess(desk: Desk, email: str, address: str | None = HERE) -> None:
    with pytest.raises(InvalidCredentials):
        await desk.accounts.sign_in(email, OTHER, address=address)


async def test_one_guess_on_each_of_many_accounts_is_stopped_by_the_network(desk: Desk) -> None:
    await desk.accounts.sign_up(EMAIL, PASSWORD)
    for number in range(25):
        await guess(desk, f"reader{number}@example.com")
    with pytest.raises(TooManySignIns) as refusal:
        await desk.accounts.sign_in(EMAIL, PASSWORD, address=HERE)
    assert refusal.value.retry_after == 900
    assert desk.hasher.verified == 25
    await desk.accounts.sign_in(EMAIL, PASSWORD, address=THERE)
    assert len(desk.kept.shelf.sessions) == 1


async def test_the_wait_of_a_network_ends(desk: Desk) -> None:
    await desk.accounts.sign_up(EMAIL, PASSWORD)
    for number in range(25):
        await guess(desk, f"reader{number}@example.com")
    desk.clock.advance(timedelta(minutes=15))
    await desk.accounts.sign_in(EMAIL, PASSWORD, address=HERE)
    assert len(desk.kept.shelf.sessions) == 1


async def test_an_account_of_ones_own_does_not_clear_the_networks_count(desk: Desk) -> None:
    await desk.accounts.sign_up(EMAIL, PASSWORD)
    for number in range(25):
        await guess(desk, f"reader{number}@example.com")
        if number < 24:
            await desk.accounts.sign_in(EMAIL, PASSWORD, address=HERE)
    with pytest.raises(TooManySignIns):
        await desk.accounts.sign_in(EMAIL, PASSWORD, address=HERE)


async def test_guesses_from_everywhere_are_stopped_by_the_account(desk: Desk) -> None:
    await desk.accounts.sign_up(EMAIL, PASSWORD)
    for number in range(10):
        await guess(desk, EMAIL, f"192.0.2.{number}")
    with pytest.raises(TooManySignIns):
        await desk.accounts.sign_in(EMAIL, PASSWORD, address=THERE)


async def test_who_is_signed_in_stays_so_while_others_guess(desk: Desk) -> None:
    tokens = await desk.signed_in()
    for number in range(10):
        await guess(desk, EMAIL, f"192.0.2.{number}")
    assert await desk.is_signed_in(tokens)
    assert await desk.is_signed_in(await desk.accounts.refresh(tokens.refresh_token))


async def test_an_account_named_like_an_address_is_no_address(desk: Desk) -> None:
    for _ in range(10):
        await guess(desk, f"address:{THERE}", None)
    await guess(desk, EMAIL, THERE)


async def test_an_address_nobody_can_tell_is_not_counted(desk: Desk) -> None:
    for number in range(30):
        await guess(desk, f"reader{number}@example.com", None)


async def test_without_a_limit_only_accounts_are_counted() -> None:
    desk = Desk(per_address=None)
    for number in range(150):
        await guess(desk, f"reader{number}@example.com")


@pytest.mark.parametrize("disabled", [True, False])
async def test_who_is_disabled_or_unknown_costs_as_much_as_everybody(
    desk: Desk, disabled: bool
) -> None:
    user = await desk.accounts.sign_up(EMAIL, PASSWORD)
    desk.kept.shelf.users[user.id].disabled = disabled
    for email, password in ((EMAIL, OTHER), ("nobody@example.com", OTHER)):
        with pytest.raises(InvalidCredentials):
            await desk.accounts.sign_in(email, password, address=HERE)
    if disabled:
        with pytest.raises(InvalidCredentials):
            await desk.accounts.sign_in(EMAIL, PASSWORD, address=HERE)
    assert desk.hasher.verified == 2 + disabled


async def test_a_full_count_is_noted_once_a_window_and_without_the_address_of_a_stranger(
    desk: Desk,
) -> None:
    user = await desk.accounts.sign_up(EMAIL, PASSWORD)
    for email in (EMAIL, "secret.person@example.com"):
        for _ in range(10):
            await guess(desk, email, None)
        for _ in range(5):
            with pytest.raises(TooManySignIns):
                await desk.accounts.sign_in(email, OTHER)
    first, second = desk.kept.shelf.events
    assert {first.act, second.act} == {Act.SIGN_IN_THROTTLED}
    assert (first.subject.kind, first.subject.id) == ("user", str(user.id))
    assert (first.outcome, first.details) == ("refused", {"failures": 10, "minutes": 15})
    assert second.subject.kind == "unknown_account"
    assert "secret" not in repr(replace(second))


async def test_a_network_that_guesses_is_noted(desk: Desk) -> None:
    for number in range(25):
        await guess(desk, f"reader{number}@example.com")
    (event,) = desk.kept.shelf.events
    assert (event.subject.kind, event.subject.id) == ("address", HERE)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", None),
        ("", None),
        (None, None),
    ],
)
def test_a_subscriber_is_one_ipv4_address_or_64_bits_of_ipv6(
    address: str | None, network: str | None
) -> None:
    assert network_of(address) == network

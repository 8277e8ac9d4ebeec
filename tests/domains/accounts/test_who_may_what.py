"""One's own account, and the accounts of others."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from app.domains.accounts.errors import (
    InvalidCredentials,
    LastAdmin,
    OpenLoans,
    TooManySignIns,
    UserNotFound,
    WeakPassword,
)
from app.domains.accounts.model import Role
from app.shared.errors import Forbidden
from app.shared.pages import PageRequest
from tests.domains.accounts.desk import EMAIL, OTHER, PASSWORD, Desk


async def test_a_new_name_is_kept(desk: Desk) -> None:
    tokens = await desk.signed_in()
    user, _ = await desk.who(tokens)
    await desk.accounts.rename(user, "Annie")
    assert (await desk.who(tokens))[0].display_name == "Annie"


async def test_a_new_password_replaces_the_old_and_ends_the_other_sessions(desk: Desk) -> None:
    here = await desk.signed_in()
    elsewhere = await desk.accounts.sign_in(EMAIL, PASSWORD)
    user, session_id = await desk.who(here)
    await desk.accounts.change_password(user, session_id, current=PASSWORD, new=OTHER)
    assert await desk.is_signed_in(here)
    assert not await desk.is_signed_in(elsewhere)
    await desk.accounts.sign_in(EMAIL, OTHER)
    with pytest.raises(InvalidCredentials):
        await desk.accounts.sign_in(EMAIL, PASSWORD)


async def test_guessing_the_current_password_is_slowed_down_like_signing_in(desk: Desk) -> None:
    user, session_id = await desk.who(await desk.signed_in())
    for expected in [InvalidCredentials] * 10 + [TooManySignIns]:
        with pytest.raises(expected):
            await desk.accounts.change_password(user, session_id, current="guess", new=OTHER)


async def test_a_new_password_is_not_weak_either(desk: Desk) -> None:
    user, session_id = await desk.who(await desk.signed_in())
    with pytest.raises(WeakPassword):
        await desk.accounts.change_password(user, session_id, current=PASSWORD, new="qwerty123")


async def test_no_session_begins_with_a_password_that_changed_meanwhile(desk: Desk) -> None:
    user = await desk.accounts.sign_up(EMAIL, PASSWORD)
    desk.hasher.deciding.clear()
    sign_in = asyncio.create_task(desk.accounts.sign_in(EMAIL, PASSWORD))
    await desk.hasher.asked.wait()
    desk.kept.shelf.users[user.id].password_hash = f"plain:{OTHER}"
    desk.hasher.deciding.set()
    with pytest.raises(InvalidCredentials):
        await sign_in
    assert not desk.kept.shelf.sessions


async def test_an_erased_account_leaves_nothing(desk: Desk) -> None:
    tokens = await desk.signed_in()
    await desk.fail_to_sign_in(1)
    await desk.accounts.erase_account(*await desk.who(tokens))
    assert not await desk.is_signed_in(tokens)
    assert EMAIL not in repr(desk.kept.shelf)
    await desk.accounts.sign_up(EMAIL, PASSWORD)


async def test_who_has_something_on_loan_stays(desk: Desk) -> None:
    tokens = await desk.signed_in()
    user, session = await desk.who(tokens)
    desk.kept.shelf.borrowers.add(user.id)
    with pytest.raises(OpenLoans):
        await desk.accounts.erase_account(user, session)
    assert await desk.is_signed_in(tokens)


@pytest.mark.parametrize("role", [Role.MEMBER, Role.LIBRARIAN])
async def test_only_admins_see_and_change_users(desk: Desk, role: Role) -> None:
    user, _ = await desk.who(await desk.signed_in())
    user.role = role
    with pytest.raises(Forbidden):
        await desk.accounts.list_users(user, None, PageRequest())
    with pytest.raises(Forbidden):
        await desk.accounts.change_user(user, user.id, role=Role.ADMIN)


async def test_a_role_holds_from_the_next_request_on(desk: Desk) -> None:
    tokens = await desk.signed_in()
    user, _ = await desk.who(tokens)
    await desk.accounts.change_user(await desk.admin(), user.id, role=Role.LIBRARIAN)
    assert (await desk.who(tokens))[0].keeps_the_library


async def test_who_is_disabled_is_out_and_stays_out_until_signing_in_again(desk: Desk) -> None:
    admin, tokens = await desk.admin(), await desk.signed_in()
    user, _ = await desk.who(tokens)
    await desk.accounts.change_user(admin, user.id, disabled=True)
    assert not await desk.is_signed_in(tokens)
    with pytest.raises(InvalidCredentials):
        await desk.accounts.sign_in(EMAIL, PASSWORD)
    await desk.accounts.change_user(admin, user.id, disabled=False)
    assert not await desk.is_signed_in(tokens)
    assert await desk.is_signed_in(await desk.accounts.sign_in(EMAIL, PASSWORD))


async def test_nobody_changes_who_is_not_there(desk: Desk) -> None:
    with pytest.raises(UserNotFound):
        await desk.accounts.change_user(await desk.admin(), uuid4(), disabled=True)


async def test_the_last_admin_stays_one(desk: Desk) -> None:
    admin = await desk.admin()
    with pytest.raises(LastAdmin):
        await desk.accounts.change_user(admin, admin.id, role=Role.MEMBER)
    with pytest.raises(LastAdmin):
        await desk.accounts.change_user(admin, admin.id, disabled=True)
    with pytest.raises(LastAdmin):
        await desk.accounts.grant(admin.email, Role.LIBRARIAN)
    with pytest.raises(LastAdmin):
        await desk.accounts.erase_account(admin, uuid4(), password=PASSWORD)
    assert desk.kept.shelf.users[admin.id].governs


async def test_of_two_admins_who_step_down_at_once_one_remains(desk: Desk) -> None:
    admins = [await desk.admin(), await desk.admin("second@example.com")]
    ends = await asyncio.gather(
        *(desk.accounts.change_user(one, one.id, role=Role.MEMBER) for one in admins),
        return_exceptions=True,
    )
    assert sum(isinstance(end, LastAdmin) for end in ends) == 1


async def test_a_role_is_granted_by_address(desk: Desk) -> None:
    await desk.signed_in()
    assert (await desk.accounts.grant(EMAIL.upper(), Role.ADMIN)).governs
    with pytest.raises(UserNotFound):
        await desk.accounts.grant("nobody@example.com", Role.ADMIN)


async def test_the_first_admin_is_made_once(desk: Desk) -> None:
    assert await desk.accounts.ensure_first_admin("ruler@example.com", PASSWORD)
    assert not await desk.accounts.ensure_first_admin("other@example.com", PASSWORD)
    assert [user.email for user in desk.kept.shelf.users.values()] == ["ruler@example.com"]


async def test_who_took_the_admins_address_first_does_not_become_admin(desk: Desk) -> None:
    squatter = await desk.signed_in("ruler@example.com")
    await desk.accounts.ensure_first_admin("Ruler@example.com", OTHER)
    assert not await desk.is_signed_in(squatter)
    with pytest.raises(InvalidCredentials):
        await desk.accounts.sign_in("ruler@example.com", PASSWORD)
    ruler, _ = await desk.who(await desk.accounts.sign_in("ruler@example.com", OTHER))
    assert ruler.governs


async def test_what_ran_out_is_forgotten(desk: Desk) -> None:
    await desk.signed_in()
    await desk.fail_to_sign_in(1)
    await desk.accounts.forget_expired()
    assert desk.kept.shelf.sessions
    assert desk.kept.shelf.failures
    desk.clock.advance(timedelta(days=30))
    await desk.accounts.forget_expired()
    assert not desk.kept.shelf.sessions
    assert not desk.kept.shelf.failures

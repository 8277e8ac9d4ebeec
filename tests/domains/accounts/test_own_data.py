"""One's own data: handed out on request, and erased for who can say the password."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domains.accounts.errors import InvalidCredentials, PasswordNeeded, TooManySignIns
from app.domains.accounts.service import PersonalDataService
from app.ports.audit import Act
from app.shared.ids import new_id
from tests.domains.accounts.desk import EMAIL, OTHER, PASSWORD, Desk


async def test_the_export_is_one_object_with_a_list_for_each_kind(desk: Desk) -> None:
    user, first = await desk.who(await desk.signed_in())
    sessions = desk.kept.shelf.sessions
    for _ in range(700):
        session = replace(sessions[first], id=new_id())
        sessions[session.id] = session
    service = PersonalDataService(begin=desk.kept.begin, clock=desk.clock)
    pieces = [piece async for piece in await service.export(user)]
    told = json.loads(b"".join(pieces))
    assert told["exported_at"] == desk.clock.now().isoformat()
    assert told["account"] == [
        {"id": str(user.id), "email": EMAIL, "created_at": user.created_at.isoformat()}
    ]
    assert len({each["id"] for each in told["sessions"]}) == 701
    assert len(pieces) > 5


async def test_that_data_was_handed_out_is_noted_before_the_first_piece(desk: Desk) -> None:
    user, _ = await desk.who(await desk.signed_in())
    await PersonalDataService(begin=desk.kept.begin, clock=desk.clock).export(user)
    assert [event.act for event in desk.kept.shelf.events] == [Act.DATA_EXPORTED]


async def test_who_signed_in_a_while_ago_says_the_password_to_erase_the_account(
    desk: Desk,
) -> None:
    tokens = await desk.signed_in()
    desk.clock.advance(timedelta(minutes=14))
    fresh = await desk.accounts.refresh(tokens.refresh_token)
    desk.clock.advance(timedelta(minutes=1))
    user, session = await desk.who(fresh)
    with pytest.raises(PasswordNeeded):
        await desk.accounts.erase_account(user, session)
    with pytest.raises(InvalidCredentials):
        await desk.accounts.erase_account(user, session, password=OTHER)
    assert await desk.is_signed_in(fresh)
    await desk.accounts.erase_account(user, session, password=PASSWORD)
    assert not await desk.is_signed_in(fresh)


async def test_guessing_the_password_to_erase_an_account_ends_like_any_guessing(
    desk: Desk,
) -> None:
    user, session = await desk.who(await desk.signed_in())
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            await desk.accounts.erase_account(user, session, password=OTHER)
    with pytest.raises(TooManySignIns):
        await desk.accounts.erase_account(user, session, password=PASSWORD)


async def test_an_erased_account_is_noted_by_its_number_only(desk: Desk) -> None:
    user, session = await desk.who(await desk.signed_in())
    await desk.accounts.erase_account(user, session)
    (event,) = desk.kept.shelf.events
    assert (event.act, event.subject.id) == (Act.ACCOUNT_ERASED, str(user.id))
    assert EMAIL not in repr(desk.kept.shelf)

"""What every AccountsWork keeps to, with real commits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.adapters.postgres.accounts import SqlAccountsWork
from app.adapters.postgres.engine import Sessions, open_engine, sessions_of
from app.domains.accounts.errors import EmailTaken, OpenLoans
from app.domains.accounts.model import Failures, Role, Session, User
from app.domains.accounts.ports import AccountsWork
from app.shared.ids import new_id
from app.shared.pages import InvalidCursor, PageRequest, cursor_for
from tests.fakes.accounts import InMemoryAccounts
from tests.fakes.clock import FrozenClock

NOW = FrozenClock().now()
WINDOW = timedelta(minutes=15)


@dataclass(frozen=True)
class Room:
    """A way to begin works, and to have something on loan without the lending room."""

    begin: Callable[[], AccountsWork]
    lend_to: Callable[[UUID], Awaitable[None]]


@pytest.fixture(params=["memory", "postgres"])
async def room(request: pytest.FixtureRequest) -> AsyncIterator[Room]:
    if request.param == "memory":
        yield _in_memory()
        return
    engine = open_engine(request.getfixturevalue("database_url"))
    try:
        yield _in_postgres(sessions_of(engine))
    finally:
        await engine.dispose()


def _in_memory() -> Room:
    accounts = InMemoryAccounts()

    async def lend_to(user_id: UUID) -> None:
        accounts.shelf.borrowers.add(user_id)

    return Room(accounts.begin, lend_to)


def _in_postgres(sessions: Sessions) -> Room:
    async def lend_to(user_id: UUID) -> None:
        async with sessions.begin() as session:
            # The book itself is of no interest here, so its foreign keys rest.
            await session.execute(text("SET LOCAL session_replication_role = replica"))
            await session.execute(text(_LOAN), {"id": uuid4(), "user": user_id, "now": NOW})

    return Room(lambda: SqlAccountsWork(sessions), lend_to)


_LOAN = """
    INSERT INTO loans (id, book_id, user_id, copy_number, borrowed_at, due_at, renewals)
    VALUES (:id, :id, :user, 1, :now, :now, 0)
"""


def a_user(email: str = "ann@example.com", **changes: Any) -> User:
    values = {"role": Role.MEMBER, "disabled": False, "display_name": "Ann", **changes}
    return User(id=new_id(), email=email, password_hash="hash", created_at=NOW, **values)


def a_session(user: User, refresh_hash: str = "first", **changes: Any) -> Session:
    values = {"expires_at": NOW + timedelta(days=30), **changes}
    return Session(
        id=new_id(), user_id=user.id, refresh_hash=refresh_hash, created_at=NOW, **values
    )


async def keep(room: Room, *users: User, session: Session | None = None) -> None:
    async with room.begin() as work:
        for user in users:
            work.users.add(user)
    if session:
        async with room.begin() as work:
            work.sessions.add(session)


async def stands(room: Room, session: Session) -> bool:
    async with room.begin() as work:
        return await work.sessions.standing(session.id, session.user_id) is not None


async def test_a_user_is_found_by_address_without_case(room: Room) -> None:
    await keep(room, a_user("Ann@Example.com"))
    async with room.begin() as work:
        found = await work.users.by_email("aNN@eXAMPLE.com")
        assert found is not None
        assert (found.email, found.role, found.created_at) == ("Ann@Example.com", "member", NOW)
        assert await work.users.by_email("nobody@example.com") is None


async def test_an_address_is_taken_whatever_its_case(room: Room) -> None:
    await keep(room, a_user("ann@example.com"))
    with pytest.raises(EmailTaken):
        await keep(room, a_user("ANN@example.com"))


async def test_of_many_who_sign_up_with_one_address_one_does(room: Room) -> None:
    tries = [keep(room, a_user("ann@example.com")) for _ in range(20)]
    ends = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(repr(end) for end in ends) == [repr(EmailTaken())] * 19 + ["None"]


async def test_changes_are_kept_by_a_clean_end_and_dropped_by_an_error(room: Room) -> None:
    user = a_user()
    await keep(room, user)
    await rename(room, user, "Anna")
    with pytest.raises(ZeroDivisionError):
        await rename(room, user, "Nobody", failing=True)
    async with room.begin() as work:
        held = await work.users.hold(user.id)
    assert held is not None
    assert held.display_name == "Anna"


async def rename(room: Room, user: User, name: str, *, failing: bool = False) -> None:
    async with room.begin() as work:
        held = await work.users.hold(user.id)
        assert held is not None
        held.display_name = name
        if failing:
            raise ZeroDivisionError


async def test_only_admins_who_are_not_disabled_govern(room: Room) -> None:
    ruler = a_user("ruler@example.com", role=Role.ADMIN)
    former = a_user("former@example.com", role=Role.ADMIN, disabled=True)
    await keep(room, ruler, former, a_user("member@example.com"))
    async with room.begin() as work:
        assert [admin.id for admin in await work.users.hold_admins()] == [ruler.id]


async def test_who_asks_for_the_admins_waits_for_whoever_has_them(room: Room) -> None:
    await keep(room, *(a_user(f"{n}@example.com", role=Role.ADMIN) for n in range(5)))

    async def step_down() -> None:
        async with room.begin() as work:
            admins = await work.users.hold_admins()
            if len(admins) > 1:
                admins[0].role = Role.MEMBER

    await asyncio.gather(*(step_down() for _ in range(12)))
    async with room.begin() as work:
        assert len(await work.users.hold_admins()) == 1


async def test_pages_show_everybody_once_in_order(room: Room) -> None:
    users = [a_user(f"{n}@example.com") for n in range(7)]
    await keep(room, *users)
    seen: list[UUID] = []
    cursor = None
    while cursor or not seen:
        async with room.begin() as work:
            page = await work.users.page(None, PageRequest(3, cursor))
        assert page.total == 7
        seen += [user.id for user in page.items]
        cursor = page.next_cursor
    assert seen == sorted(user.id for user in users)


@pytest.mark.parametrize(
    ("q", "found"), [("ANN", 1), ("bob's", 1), ("example", 2), ("%", 0), ("_", 0), ("", 2)]
)
async def test_users_are_found_by_a_part_of_address_or_name(room: Room, q: str, found: int) -> None:
    await keep(room, a_user("ann@example.com"), a_user("x@example.com", display_name="Bob's"))
    async with room.begin() as work:
        page = await work.users.page(q, PageRequest())
    assert (len(page.items), page.total) == (found, found)


@pytest.mark.parametrize("cursor", [cursor_for("no id"), cursor_for(7), cursor_for(None), "~"])
async def test_a_foreign_cursor_is_refused(room: Room, cursor: str) -> None:
    async with room.begin() as work:
        with pytest.raises(InvalidCursor):
            await work.users.page(None, PageRequest(20, cursor))


async def test_who_is_erased_is_gone_with_their_sessions(room: Room) -> None:
    user, other = a_user(), a_user("bob@example.com")
    session = a_session(user)
    await keep(room, user, other, session=session)
    async with room.begin() as work:
        await work.users.remove(user)
    assert not await stands(room, session)
    async with room.begin() as work:
        assert await work.users.hold(user.id) is None
        assert await work.users.hold(other.id) is not None


async def test_who_has_something_on_loan_is_not_erased(room: Room) -> None:
    user = a_user()
    await keep(room, user)
    await room.lend_to(user.id)
    with pytest.raises(OpenLoans):
        async with room.begin() as work:
            await work.users.remove(user)
    async with room.begin() as work:
        assert await work.users.hold(user.id) is not None


async def test_a_session_stands_for_its_own_user_only(room: Room) -> None:
    user, other = a_user(), a_user("bob@example.com")
    session = a_session(user)
    await keep(room, user, other, session=session)
    async with room.begin() as work:
        found = await work.sessions.standing(session.id, user.id)
        assert found is not None
        assert (found[0].id, found[1].id) == (user.id, session.id)
        assert await work.sessions.standing(session.id, other.id) is None
        assert await work.sessions.standing(uuid4(), user.id) is None


async def test_of_50_who_exchange_one_token_one_gets_the_session(room: Room) -> None:
    user = a_user()
    await keep(room, user, session=a_session(user, "first"))

    async def exchange(follower: str) -> bool:
        async with room.begin() as work:
            session = await work.sessions.hold("first")
            if session:
                work.sessions.spend(session.exchange(follower, NOW))
            return session is not None

    winners = await asyncio.gather(*(exchange(f"follower {n}") for n in range(50)))
    assert winners.count(True) == 1


async def test_a_spent_token_ends_the_session_it_came_from(room: Room) -> None:
    user = a_user()
    session = a_session(user, "first")
    await keep(room, user, session=session)
    async with room.begin() as work:
        held = await work.sessions.hold("first")
        assert held is not None
        work.sessions.spend(held.exchange("second", NOW))
    async with room.begin() as work:
        await work.sessions.end_robbed("second")
        await work.sessions.end_robbed("never given out")
    assert await stands(room, session)
    async with room.begin() as work:
        await work.sessions.end_robbed("first")
    assert not await stands(room, session)


async def test_sessions_end_one_by_one_or_all_but_one(room: Room) -> None:
    user, other = a_user(), a_user("bob@example.com")
    await keep(room, user, other)
    sessions = [a_session(user, f"token {n}") for n in range(4)]
    foreign = a_session(other, "foreign")
    async with room.begin() as work:
        for session in (*sessions, foreign):
            work.sessions.add(session)
    async with room.begin() as work:
        await work.sessions.end(sessions[0].id)
    assert [await stands(room, one) for one in sessions] == [False, True, True, True]
    async with room.begin() as work:
        await work.sessions.end_all(user.id, but=sessions[1].id)
    assert [await stands(room, one) for one in sessions] == [False, True, False, False]
    async with room.begin() as work:
        await work.sessions.end_all(user.id)
    assert not await stands(room, sessions[1])
    assert await stands(room, foreign)


async def test_sessions_that_ran_out_are_forgotten(room: Room) -> None:
    user = a_user()
    await keep(room, user)
    old, running = a_session(user, "old", expires_at=NOW), a_session(user, "running")
    async with room.begin() as work:
        work.sessions.add(old)
        work.sessions.add(running)
    async with room.begin() as work:
        await work.sessions.forget_expired(NOW)
    assert not await stands(room, old)
    assert await stands(room, running)


async def fail(room: Room, account: str, at: datetime = NOW) -> Failures:
    async with room.begin() as work:
        return await work.failed_sign_ins.count(account, now=at, since=at - WINDOW)


async def failures_of(room: Room, account: str, at: datetime = NOW) -> Failures | None:
    async with room.begin() as work:
        return await work.failed_sign_ins.of(account, since=at - WINDOW)


async def test_failures_at_the_same_time_are_all_counted(room: Room) -> None:
    counted = await asyncio.gather(*(fail(room, "ann") for _ in range(20)))
    assert sorted(failures.count for failures in counted) == list(range(1, 21))
    assert await failures_of(room, "ann") == Failures(20, NOW)
    assert await failures_of(room, "bob") is None


async def test_a_window_ends_and_the_next_failure_begins_another(room: Room) -> None:
    await fail(room, "ann")
    at_the_end, later = NOW + WINDOW, NOW + WINDOW + timedelta(seconds=1)
    assert await fail(room, "ann", at_the_end) == Failures(2, NOW)
    assert await failures_of(room, "ann", later) is None
    assert await fail(room, "ann", later) == Failures(1, later)


async def test_failures_are_cleared_and_forgotten(room: Room) -> None:
    for account in ("ann", "bob"):
        await fail(room, account)
    await fail(room, "carl", NOW + WINDOW)
    async with room.begin() as work:
        await work.failed_sign_ins.clear("ann")
    assert await failures_of(room, "ann") is None
    async with room.begin() as work:
        await work.failed_sign_ins.forget(before=NOW + WINDOW)
    assert await failures_of(room, "bob") is None
    assert await failures_of(room, "carl", NOW + WINDOW) == Failures(1, NOW + WINDOW)

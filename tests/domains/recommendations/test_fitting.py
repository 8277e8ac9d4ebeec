"""Fitting a model, publishing it, and what becomes of the ones before."""

from datetime import timedelta

import pytest

from app.domains.recommendations.jobs import FitRecommender
from app.domains.recommendations.model import StoredModel
from app.domains.recommendations.service.snapshots import MOST_OF_A_READER
from app.ports.fitting import FitFailed
from app.ports.recommender import Snapshot
from app.ports.storage import StorageUnavailable
from app.shared.ids import new_id
from tests.domains.recommendations.conftest import AdviceDesk, untold
from tests.fakes.recommender import OverlapRecommender
from tests.fakes.workshop import InlineWorkshop

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


class AnotherRecommender(OverlapRecommender):
    name = "another"


async def snapshot(desk: AdviceDesk, *, learns: bool = True) -> Snapshot:
    desk.learns = learns
    await desk.fitting().fit(untold, anyway=True)
    return desk.workshop.snapshots[-1]


async def published(desk: AdviceDesk) -> list[StoredModel]:
    async with desk.library.begin() as work:
        return list(await work.models.published("overlap", 10))


async def test_a_fit_is_published_with_its_file(desk: AdviceDesk) -> None:
    book = await desk.library.add_book()
    made = await desk.fitting().fit(untold)
    (model,) = await published(desk)
    assert (made["fitted"], made["books"], made["version"]) == (True, 1, model.version)
    stored = desk.storage.objects[model.storage_key]
    assert (model.size, model.published_at) == (len(stored), desk.clock.now())
    assert str(book).encode() in stored


async def test_what_is_fitted_already_is_not_fitted_again_unless_told_to(desk: AdviceDesk) -> None:
    await desk.library.add_book()
    fitting = desk.fitting()
    assert [(await fitting.fit(untold))["fitted"] for _ in range(2)] == [True, False]
    assert (await fitting.fit(untold, anyway=True))["fitted"]
    desk.clock.advance(MINUTE)
    await desk.library.add_book()
    assert (await fitting.fit(untold))["fitted"]


async def test_a_fit_says_how_far_it_has_read(desk: AdviceDesk) -> None:
    told = []

    async def tell(done: int, planned: int) -> None:
        told.append((done, planned))

    for _ in range(3):
        await desk.library.add_book()
    await desk.library.add_reader()
    await desk.fitting().fit(tell)
    assert told == [(3, 4), (4, 4)]


async def test_readers_go_by_other_names_in_each_fit(desk: AdviceDesk) -> None:
    reader, book = await desk.library.add_reader(), await desk.library.add_book()
    await desk.library.borrow(reader, book, desk.clock.now() - 9 * HOUR)
    await desk.library.rate(reader, book, 4, desk.clock.now())
    (first,), (second,) = [(await snapshot(desk)).interactions for _ in range(2)]
    assert (first.item_id, first.weight, first.at) == (book, 0.5, desk.clock.now())
    assert len({first.reader_id, second.reader_id, reader.id}) == 3


async def test_nobodys_deeds_are_fitted_on_where_history_is_off(desk: AdviceDesk) -> None:
    reader, book = await desk.library.add_reader(), await desk.library.add_book()
    await desk.library.borrow(reader, book, desk.clock.now())
    assert len((await snapshot(desk)).interactions) == 1
    assert (await snapshot(desk, learns=False)).interactions == []


async def test_what_was_forgotten_is_not_fitted_on(desk: AdviceDesk) -> None:
    reader, book = await desk.library.add_reader(), await desk.library.add_book()
    await desk.library.borrow(reader, book, desk.clock.now())
    await desk.library.rate(reader, book, 5, desk.clock.now())
    await desk.service().forget_history(reader)
    assert (await snapshot(desk)).interactions == []


async def test_one_reader_cannot_drown_the_others(desk: AdviceDesk) -> None:
    reader = await desk.library.add_reader()
    for _ in range(MOST_OF_A_READER + 5):
        await desk.library.borrow(reader, new_id(), desk.clock.now())
    assert len((await snapshot(desk)).interactions) == MOST_OF_A_READER


async def test_many_pages_are_one_snapshot(
    desk: AdviceDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "app.domains.recommendations.service.snapshots"
    monkeypatch.setattr(f"{module}.ITEMS_AT_ONCE", 2)
    monkeypatch.setattr(f"{module}.READERS_AT_ONCE", 2)
    books = [await desk.library.add_book() for _ in range(5)]
    for book in books:
        await desk.library.borrow(await desk.library.add_reader(), book, desk.clock.now())
    found = await snapshot(desk)
    assert {item.id for item in found.items} == set(books)
    assert {one.item_id for one in found.interactions} == set(books)


async def test_a_fit_that_dies_leaves_the_last_good_model(large_desk: AdviceDesk) -> None:
    desk, reader = large_desk, await large_desk.library.add_reader()
    await desk.library.add_book()
    good = await desk.fitting().fit(untold)
    desk.clock.advance(MINUTE)
    await desk.library.add_book()
    desk.workshop.broken = True
    with pytest.raises(FitFailed):
        await desk.fitting().fit(untold)
    answer = await desk.service().recommend(reader, 10)
    assert (answer.model, answer.model_version) == ("overlap", good["version"])


async def test_a_storage_that_is_away_publishes_nothing(desk: AdviceDesk) -> None:
    await desk.library.add_book()
    desk.storage.down = True
    with pytest.raises(StorageUnavailable):
        await desk.fitting().fit(untold)
    assert await published(desk) == []


async def test_what_a_dead_fit_left_behind_is_swept_a_day_later(desk: AdviceDesk) -> None:
    fitting = desk.fitting()
    desk.workshop.broken = True
    with pytest.raises(FitFailed):
        await fitting.fit(untold)
    assert await fitting.sweep() == 0
    desk.clock.advance(timedelta(days=2))
    assert await fitting.sweep() == 1
    assert desk.library.shelf.models == {}


async def test_superseded_files_go_after_a_while_and_two_models_stay(desk: AdviceDesk) -> None:
    fitting = desk.fitting()
    for _ in range(4):
        desk.clock.advance(timedelta(minutes=1))
        await fitting.fit(untold, anyway=True)
    assert len(desk.storage.objects) == 4
    desk.clock.advance(HOUR)
    assert await fitting.sweep() == 2
    assert set(desk.storage.objects) == {model.storage_key for model in await published(desk)}
    assert len(desk.storage.objects) == 2


async def test_a_missing_model_is_asked_for_at_once_and_once(desk: AdviceDesk) -> None:
    await desk.library.add_book()
    fitting = desk.fitting()
    assert [await fitting.ask_if_due() for _ in range(2)] == [True, False]
    assert await desk.fitting().ask_if_due()
    assert desk.library.board.jobs == [FitRecommender()]


async def test_a_change_is_asked_for_after_a_rest(desk: AdviceDesk) -> None:
    fitting = desk.fitting()
    await fitting.fit(untold)
    assert not await fitting.ask_if_due()
    await desk.library.add_book()
    assert not await fitting.ask_if_due()
    desk.clock.advance(timedelta(seconds=60))
    assert await fitting.ask_if_due()


async def test_a_model_that_came_and_was_withdrawn_is_asked_for_again(desk: AdviceDesk) -> None:
    fitting = desk.fitting()
    assert await fitting.ask_if_due()
    await fitting.fit(untold)
    assert not await fitting.ask_if_due()
    (model,) = await published(desk)
    async with desk.library.begin() as work:
        model.published_at = None
        await work.models.add(model)
    assert await fitting.ask_if_due()


async def test_a_long_fit_rests_longer(desk: AdviceDesk) -> None:
    fitting = desk.fitting()
    await fitting.fit(untold)
    (model,) = await published(desk)
    model.seconds = 30
    async with desk.library.begin() as work:
        await work.models.add(model)
    await desk.library.add_book()
    desk.clock.advance(timedelta(seconds=299))
    assert not await fitting.ask_if_due()
    desk.clock.advance(timedelta(seconds=2))
    assert await fitting.ask_if_due()


async def test_what_cannot_be_fitted_is_not_asked_for_all_the_time(desk: AdviceDesk) -> None:
    fitting = desk.fitting()
    assert await fitting.ask_if_due()
    desk.clock.advance(timedelta(minutes=9))
    await desk.library.add_book()
    assert not await fitting.ask_if_due()
    desk.clock.advance(MINUTE)
    assert await fitting.ask_if_due()


async def test_a_fit_that_failed_is_asked_for_again_by_no_process_for_a_while(
    desk: AdviceDesk,
) -> None:
    desk.workshop.broken = True
    asked = 0
    for _ in range(240):
        await desk.library.add_book()
        if await desk.fitting().ask_if_due():
            asked += 1
            with pytest.raises(FitFailed):
                await desk.fitting().fit(untold)
        desk.clock.advance(timedelta(seconds=5))
    assert asked == 2


async def test_nobody_asks_while_a_fit_is_under_way_unless_it_died(desk: AdviceDesk) -> None:
    async with desk.library.begin() as work:
        await work.models.add(StoredModel.announced(new_id(), "overlap", "1", desk.clock.now()))
    desk.clock.advance(timedelta(minutes=59))
    assert not await desk.fitting().ask_if_due()
    desk.clock.advance(MINUTE)
    assert await desk.fitting().ask_if_due()


async def test_what_was_asked_for_during_a_fit_is_not_fitted_right_behind_it(
    desk: AdviceDesk,
) -> None:
    made = await desk.fitting().fit(untold)
    await desk.library.add_book()
    again = await desk.fitting().fit(untold)
    assert again == {"version": made["version"], "fitted": False}
    desk.clock.advance(MINUTE)
    assert (await desk.fitting().fit(untold))["fitted"]


async def test_a_library_that_does_not_change_is_summed_up_once_a_minute(
    desk: AdviceDesk,
) -> None:
    fitting = desk.fitting()
    await fitting.fit(untold)
    summed = 0
    for _ in range(60):
        asked = desk.library.summed_up
        assert not await fitting.ask_if_due()
        summed += desk.library.summed_up - asked
        desk.clock.advance(timedelta(seconds=5))
    assert summed == 4


async def test_who_is_erased_is_in_no_model_after_the_next_fit(desk: AdviceDesk) -> None:
    reader, other = await desk.library.add_reader(), await desk.library.add_reader()
    book = await desk.library.add_book()
    for each in (reader, other):
        await desk.library.borrow(each, book, desk.clock.now())
    for forget in (desk.library.erase_reader(reader), desk.service().forget_history(other)):
        fitting = desk.fitting()
        await fitting.fit(untold, anyway=True)
        await fitting.fit(untold, anyway=True)
        await forget
        desk.clock.advance(HOUR)
        assert await fitting.ask_if_due()
        assert (await fitting.fit(untold))["fitted"]
        (model,) = await published(desk)
        assert set(desk.storage.objects) == {model.storage_key}
    assert desk.workshop.snapshots[-1].interactions == []


async def test_a_model_that_knows_readers_goes_at_once_where_nothing_is_learnt(
    desk: AdviceDesk,
) -> None:
    reader, book = await desk.library.add_reader(), await desk.library.add_book()
    await desk.library.borrow(reader, book, desk.clock.now())
    await desk.fitting().fit(untold)
    (model,) = await published(desk)
    model.seconds = 3600
    async with desk.library.begin() as work:
        await work.models.add(model)
    desk.learns = False
    desk.clock.advance(MINUTE)
    assert await desk.fitting().ask_if_due()
    desk.clock.advance(HOUR)
    await desk.fitting().fit(untold)
    assert [model.memory for model in await published(desk)] == ["unlearnt"]
    assert len(desk.storage.objects) == 1


async def test_where_nothing_is_learnt_what_is_forgotten_is_no_reason_for_a_fit(
    desk: AdviceDesk,
) -> None:
    desk.learns = False
    reader = await desk.library.add_reader()
    await desk.fitting().fit(untold)
    await desk.library.erase_reader(reader)
    desk.clock.advance(HOUR)
    assert not await desk.fitting().ask_if_due()


async def test_models_of_another_recommender_are_swept_too(desk: AdviceDesk) -> None:
    await desk.fitting().fit(untold)
    desk.workshop = InlineWorkshop(AnotherRecommender)
    await desk.fitting().fit(untold)
    assert len(desk.storage.objects) == 2
    desk.clock.advance(HOUR)
    assert await desk.fitting().sweep() == 1
    assert [model.name for model in desk.library.shelf.models.values()] == ["another"]

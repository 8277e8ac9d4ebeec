import asyncio
import logging
import threading
from dataclasses import dataclass, field

import pytest
from typing_extensions import override

from app.domains.recommendations.service import FreshModel, SnapshotReader
from app.domains.recommendations.service.fresh_model import Fitted
from app.ports.recommender import Recommender, Snapshot
from tests.fakes.clock import FrozenClock
from tests.fakes.recommendations import InMemoryRecommendations
from tests.fakes.recommender import OverlapRecommender


@dataclass
class Workshop:
    """Where models are fitted: it can hold one back, or break it."""

    fits: int = 0
    broken: bool = False
    open: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)

    def new_recommender(self) -> Recommender:
        return WatchedRecommender(self)

    async def wait_for_a_fit(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 10)
        self.begun.clear()


class WatchedRecommender(OverlapRecommender):
    def __init__(self, workshop: Workshop) -> None:
        super().__init__()
        self._workshop = workshop

    @override
    def fit(self, snapshot: Snapshot) -> None:
        self._workshop.fits += 1
        self._workshop.begun.set()
        assert self._workshop.open.wait(10)
        if self._workshop.broken:
            raise ZeroDivisionError("a singular matrix")
        super().fit(snapshot)


@pytest.fixture
def library() -> InMemoryRecommendations:
    return InMemoryRecommendations()


@pytest.fixture
def workshop() -> Workshop:
    workshop = Workshop()
    workshop.open.set()
    return workshop


def small(library: InMemoryRecommendations, workshop: Workshop) -> FreshModel:
    """A model that is always worth waiting for."""
    return _model(library, workshop, worth_waiting=60)


def large(library: InMemoryRecommendations, workshop: Workshop) -> FreshModel:
    """A model nobody waits for once there is one."""
    return _model(library, workshop, worth_waiting=0)


def _model(
    library: InMemoryRecommendations, workshop: Workshop, *, worth_waiting: float, rest: float = 0
) -> FreshModel:
    return FreshModel(
        begin=library.begin,
        snapshots=SnapshotReader(library.begin, learns=True),
        new_recommender=workshop.new_recommender,
        clock=FrozenClock(),
        worth_waiting=worth_waiting,
        rest=rest,
    )


async def current(model: FreshModel) -> Fitted:
    found = await model.current()
    assert found
    return found


async def settled(model: FreshModel, *, version_is_not: str) -> None:
    async with asyncio.timeout(10):
        while (await current(model)).version == version_is_not:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_a_model_is_fitted_once_while_nothing_changes(
    library: InMemoryRecommendations, workshop: Workshop
) -> None:
    model = small(library, workshop)
    assert await current(model) is await current(model)
    assert workshop.fits == 1


async def test_a_new_book_is_known_to_the_next_answer(
    library: InMemoryRecommendations, workshop: Workshop
) -> None:
    model = small(library, workshop)
    before = await current(model)
    book = await library.add_book()
    after = await current(model)
    assert (book in before.items, book in after.items) == (False, True)
    assert before.version != after.version


async def test_many_who_ask_at_once_wait_for_one_fit(
    library: InMemoryRecommendations, workshop: Workshop
) -> None:
    model = small(library, workshop)
    found = await asyncio.gather(*(current(model) for _ in range(20)))
    assert (workshop.fits, len({id(each) for each in found})) == (1, 1)


async def test_who_asks_during_a_fit_gets_what_was_there_when_they_asked(
    library: InMemoryRecommendations, workshop: Workshop
) -> None:
    model = small(library, workshop)
    workshop.open.clear()
    first = asyncio.create_task(current(model))
    await workshop.wait_for_a_fit()
    book = await library.add_book()
    second = asyncio.create_task(current(model))
    await asyncio.sleep(0)
    workshop.open.set()
    assert book not in (await first).items
    assert book in (await second).items
    assert workshop.fits == 2


async def test_who_asked_first_may_go_away(
    library: InMemoryRecommendations, workshop: Workshop
) -> None:
    model = small(library, workshop)
    workshop.open.clear()
    first, second = (asyncio.create_task(current(model)) for _ in range(2))
    await workshop.wait_for_a_fit()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    workshop.open.set()
    assert await second is await current(model)
    assert workshop.fits == 1


async def test_a_fit_that_fails_leaves_the_model_that_was_there(
    library: InMemoryRecommendations, workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    model = small(library, workshop)
    before = await current(model)
    await library.add_book()
    workshop.broken = True
    assert await current(model) is before
    assert "a singular matrix" in caplog.text
    workshop.broken = False
    assert (await current(model)).version != before.version


async def test_a_first_fit_that_fails_leaves_none(
    library: InMemoryRecommendations, workshop: Workshop
) -> None:
    workshop.broken = True
    model = small(library, workshop)
    assert await model.current() is None
    workshop.broken = False
    assert (await current(model)).items == {}


async def test_a_large_library_answers_from_the_old_model_while_it_learns(
    library: InMemoryRecommendations, workshop: Workshop
) -> None:
    model = large(library, workshop)
    before = await current(model)
    book = await library.add_book()
    workshop.open.clear()
    assert await current(model) is before
    await workshop.wait_for_a_fit()
    assert await current(model) is before
    workshop.open.set()
    await settled(model, version_is_not=before.version)
    assert book in (await current(model)).items
    assert workshop.fits == 2


async def test_a_fit_that_fails_beside_the_requests_ends_in_the_log(
    library: InMemoryRecommendations, workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    model = large(library, workshop)
    before = await current(model)
    await library.add_book()
    workshop.broken = True
    async with asyncio.timeout(10):
        while "a singular matrix" not in caplog.text:
            assert await current(model) is before
            await asyncio.sleep(0.001)
    assert [record.name for record in caplog.records if record.levelno >= logging.ERROR] == [
        FreshModel.__module__
    ] * len(caplog.records)
    workshop.broken = False
    await settled(model, version_is_not=before.version)


async def test_a_large_library_rests_between_two_looks(
    library: InMemoryRecommendations, workshop: Workshop
) -> None:
    model = _model(library, workshop, worth_waiting=0, rest=3600)
    before = await current(model)
    await library.add_book()
    for _ in range(5):
        assert await current(model) is before
        await asyncio.sleep(0)
    assert workshop.fits == 1

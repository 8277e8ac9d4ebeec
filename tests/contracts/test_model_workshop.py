"""What every workshop promises of the models it fits."""

import io
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from app.adapters.fitting.workshop import ChildWorkshop
from app.ports.fitting import ModelWorkshop
from app.ports.recommender import Interaction, Item, Profile, Snapshot
from tests.fakes.recommender import OverlapRecommender
from tests.fakes.workshop import InlineWorkshop

WORKSHOPS: dict[str, Callable[[], ModelWorkshop]] = {
    "inline": InlineWorkshop,
    "child": lambda: ChildWorkshop(OverlapRecommender),
}
NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
BOOKS = [Item(UUID(int=n), f"Book {n}", "Somebody", ("Sea", "海")) for n in range(1, 6)]
DEEDS = [Interaction(UUID(int=70 + n), BOOKS[n].id, 0.5, NOW) for n in range(3)]


@pytest.fixture(params=WORKSHOPS)
def workshop(request: pytest.FixtureRequest) -> ModelWorkshop:
    return WORKSHOPS[request.param]()


async def pages(*given: Sequence[Any]) -> AsyncIterator[Sequence[Any]]:
    for page in given:
        yield page


async def fitted(workshop: ModelWorkshop, *items: Sequence[Item]) -> tuple[int, bytes]:
    async with workshop.fitted("v1", pages(*items), pages(DEEDS)) as model:
        return model.books, b"".join([piece async for piece in model.read()])


async def test_the_model_answers_as_one_fitted_on_all_pages(workshop: ModelWorkshop) -> None:
    here, there = OverlapRecommender(), OverlapRecommender()
    here.fit(Snapshot("v1", BOOKS))
    books, content = await fitted(workshop, BOOKS[:2], BOOKS[2:])
    there.load(io.BytesIO(content))
    profile = Profile(items={BOOKS[0].id: 1.0})
    assert (books, workshop.makes) == (5, "overlap")
    assert there.recommend(profile, (), 5) == here.recommend(profile, (), 5)


async def test_an_empty_library_has_a_model_too(workshop: ModelWorkshop) -> None:
    books, content = await fitted(workshop)
    OverlapRecommender().load(io.BytesIO(content))
    assert books == 0


async def test_what_the_pages_raise_comes_out_as_it_is(workshop: ModelWorkshop) -> None:
    async def broken() -> AsyncIterator[Sequence[Item]]:
        yield BOOKS
        raise ConnectionAbortedError("the database is away")

    with pytest.raises(ConnectionAbortedError):
        async with workshop.fitted("v1", broken(), pages()):
            pass

"""Which model answers: fitted here, published, or none but popularity."""

import asyncio
from datetime import timedelta
from typing import BinaryIO
from uuid import UUID

import pytest
from typing_extensions import override

from app.domains.accounts.model import User
from app.domains.recommendations.jobs import FitRecommender
from app.domains.recommendations.model import Tastes
from app.domains.recommendations.service import (
    PublishedModel,
    RecommendationsService,
    Recommended,
)
from app.domains.recommendations.service.current_model import Small
from tests.domains.recommendations.conftest import AdviceDesk, untold
from tests.fakes.recommender import OverlapRecommender
from tests.fakes.workshop import InlineWorkshop


def books(answer: Recommended) -> list[UUID]:
    return [item.book.book.id for item in answer.items]


async def settled() -> None:
    """Let what goes on beside the requests come to its end."""
    for _ in range(50):
        await asyncio.sleep(0)


async def answered_by(
    service: RecommendationsService, reader: User, version: object
) -> Recommended:
    async with asyncio.timeout(10):
        while (answer := await service.recommend(reader, 10)).model_version != version:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    return answer


async def test_a_small_library_needs_no_job(desk: AdviceDesk) -> None:
    reader, book = await desk.library.add_reader(), await desk.library.add_book()
    service = desk.service()
    assert books(await service.recommend(reader, 10)) == [book]
    new = await desk.library.add_book()
    assert set(books(await service.recommend(reader, 10))) == {book, new}
    assert desk.library.board.jobs == []


async def test_a_large_library_without_a_model_says_what_is_popular_and_asks_for_one(
    large_desk: AdviceDesk,
) -> None:
    desk, reader = large_desk, await large_desk.library.add_reader()
    unread, read = await desk.library.add_book(), await desk.library.add_book()
    await desk.library.borrow(await desk.library.add_reader(), read, desk.clock.now())
    answer = await desk.service().recommend(reader, 10)
    await settled()
    assert (answer.model, books(answer)) == ("popular", [read, unread])
    assert {reason.kind for item in answer.items for reason in item.reasons} == {"popular"}
    assert desk.library.board.jobs == [FitRecommender()]


async def test_the_last_resort_leaves_out_what_was_had_and_heeds_languages(
    large_desk: AdviceDesk,
) -> None:
    desk, reader = large_desk, await large_desk.library.add_reader()
    had, french, german = [
        await desk.library.add_book(name, language=name) for name in ("en", "fr", "de")
    ]
    for book in (had, had, french):
        await desk.library.borrow(reader if book == had else await desk.library.add_reader(),
                                  book, desk.clock.now())  # fmt: skip
    service = desk.service()
    assert books(await service.recommend(reader, 10)) == [french, german]
    await service.prefer(reader, Tastes(languages={"DE": 1.0}))
    assert books(await service.recommend(reader, 10)) == [german, french]


async def test_nothing_is_said_to_be_similar_while_there_is_no_model(
    large_desk: AdviceDesk,
) -> None:
    reader, book = await large_desk.library.add_reader(), await large_desk.library.add_book()
    answer = await large_desk.service().similar(reader, book, 5)
    assert (answer.model, books(answer)) == ("popular", [])


async def test_a_published_model_answers_from_the_next_request_on(large_desk: AdviceDesk) -> None:
    desk, reader = large_desk, await large_desk.library.add_reader()
    await desk.library.add_book()
    service = desk.service()
    assert (await service.recommend(reader, 10)).model == "popular"
    for _ in range(2):
        await desk.library.add_book()
        desk.clock.advance(timedelta(minutes=1))
        made = await desk.fitting().fit(untold)
        assert (await answered_by(service, reader, made["version"])).model == "overlap"


async def test_a_library_that_grows_large_goes_on_with_what_it_had(desk: AdviceDesk) -> None:
    desk.small = Small(books=1, loans=10)
    reader, first = await desk.library.add_reader(), await desk.library.add_book()
    service = desk.service()
    assert (await service.recommend(reader, 10)).model == "overlap"
    second = await desk.library.add_book()
    grown = await service.recommend(reader, 10)
    assert (grown.model, books(grown)) == ("overlap", [first])
    await settled()
    assert desk.library.board.jobs == [FitRecommender()]
    made = await desk.fitting().fit(untold)
    assert set(books(await answered_by(service, reader, made["version"]))) == {first, second}


async def test_a_new_book_is_found_before_a_large_librarys_model_knows_it(
    large_desk: AdviceDesk,
) -> None:
    desk, reader = large_desk, await large_desk.library.add_reader()
    read = await desk.library.add_book("Dune", "Herbert", genres=["SF"])
    for number in range(9):
        await desk.library.add_book(f"SF {number}", "Somebody", genres=["SF"])
    await desk.library.borrow(reader, read, desk.clock.now())
    await desk.fitting().fit(untold)
    service = desk.service()
    await service.recommend(reader, 10)
    fits = await desk.library.add_book("Dune Messiah", "Herbert", genres=["SF"])
    await desk.library.add_book("Salt", "Nosrat", genres=["Cooking"])
    await service.recommend(reader, 10)
    await settled()
    answer = await service.recommend(reader, 10)
    found = {item.book.book.id: item for item in answer.items}
    assert fits in found
    assert {(reason.kind, reason.value) for reason in found[fits].reasons} == {
        ("you_like_author", "Herbert"),
        ("you_like_genre", "SF"),
    }
    assert not [item for item in answer.items if item.book.book.title == "Salt"]


async def test_a_new_book_is_kept_from_who_dislikes_its_kind_or_language(
    large_desk: AdviceDesk,
) -> None:
    desk, reader = large_desk, await large_desk.library.add_reader()
    await desk.library.add_book()
    await desk.fitting().fit(untold)
    service = desk.service()
    await service.prefer(
        reader, Tastes(genres={"SF": 1.0, "horror": -1.0}, languages={"en": 1.0, "fr": -1.0})
    )
    new = {
        (genre, language): await desk.library.add_book(genres=[genre, "SF"], language=language)
        for genre in ("horror", "SF")
        for language in ("en", "fr", "de")
    }
    for _ in range(2):
        await service.recommend(reader, 10)
        await settled()
    shown = set(books(await service.recommend(reader, 10)))
    assert shown & set(new.values()) == {new["SF", "en"]}


async def test_a_damaged_model_is_withdrawn_and_the_one_before_answers(
    large_desk: AdviceDesk, caplog: pytest.LogCaptureFixture
) -> None:
    desk, reader = large_desk, await large_desk.library.add_reader()
    made = []
    for _ in range(2):
        await desk.library.add_book()
        desk.clock.advance(timedelta(minutes=1))
        made.append(await desk.fitting().fit(untold))
    newest = max(desk.library.shelf.models.values(), key=lambda model: model.announced_at)
    desk.storage.objects[newest.storage_key] += b" "
    answer = await desk.service().recommend(reader, 10)
    assert answer.model_version == made[0]["version"]
    assert "is withdrawn" in caplog.text
    assert await desk.fitting().ask_if_due()


async def test_a_process_keeps_its_model_though_another_cannot_read_it(
    large_desk: AdviceDesk,
) -> None:
    desk, reader = large_desk, await large_desk.library.add_reader()
    for _ in range(2):
        await desk.library.add_book()
        desk.clock.advance(timedelta(minutes=1))
        newest = await desk.fitting().fit(untold)
    here = desk.service()
    assert (await here.recommend(reader, 10)).model_version == newest["version"]
    desk.storage.objects = dict.fromkeys(desk.storage.objects, b"not a model")
    assert (await desk.service().recommend(reader, 10)).model == "popular"
    for _ in range(3):
        await settled()
        assert (await here.recommend(reader, 10)).model_version == newest["version"]


class OfAnotherVersion(OverlapRecommender):
    @override
    def save(self, target: BinaryIO) -> None:
        target.write(b'{"format": 999}')


async def test_a_model_of_another_version_leaves_the_last_one_that_could_be_read(
    large_desk: AdviceDesk,
) -> None:
    desk, reader = large_desk, await large_desk.library.add_reader()
    await desk.library.add_book()
    good = await desk.fitting().fit(untold)
    desk.clock.advance(timedelta(minutes=1))
    desk.workshop = InlineWorkshop(OfAnotherVersion)
    await desk.library.add_book()
    await desk.fitting().fit(untold)
    assert (await desk.service().recommend(reader, 10)).model_version == good["version"]


class Unloadable(OverlapRecommender):
    """Fails as no damaged file does."""

    loads = 0

    @override
    def load(self, source: BinaryIO) -> None:
        type(self).loads += 1
        raise MemoryError


async def test_a_model_that_cannot_be_loaded_is_not_tried_all_the_time(
    large_desk: AdviceDesk, caplog: pytest.LogCaptureFixture
) -> None:
    desk = large_desk
    for _ in range(2):
        await desk.library.add_book()
        desk.clock.advance(timedelta(minutes=1))
        await desk.fitting().fit(untold)
    process = PublishedModel(
        begin=desk.library.begin, storage=desk.storage, new_recommender=Unloadable, poll=0
    )
    for _ in range(5):
        assert await process.current() is None
        await settled()
    assert Unloadable.loads == 2
    assert caplog.text.count("could not be loaded") == 2
    assert len([m for m in desk.library.shelf.models.values() if m.published_at]) == 2


async def test_a_model_whose_file_is_gone_leaves_popularity(large_desk: AdviceDesk) -> None:
    desk, reader = large_desk, await large_desk.library.add_reader()
    await desk.library.add_book()
    await desk.fitting().fit(untold)
    desk.storage.objects.clear()
    answer = await desk.service().recommend(reader, 10)
    assert (answer.model, len(answer.items)) == ("popular", 1)


async def test_a_storage_that_is_away_withdraws_nothing(large_desk: AdviceDesk) -> None:
    desk, reader = large_desk, await large_desk.library.add_reader()
    await desk.library.add_book()
    made = await desk.fitting().fit(untold)
    service = desk.service()
    desk.storage.down = True
    assert (await service.recommend(reader, 10)).model == "popular"
    desk.storage.down = False
    assert (await answered_by(service, reader, made["version"])).model == "overlap"

"""What every recommender promises, however it finds its books."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from app.adapters.recommender.ease import EaseRecommender
from app.adapters.recommender.hybrid import HybridRecommender
from app.adapters.recommender.tfidf import TfidfRecommender
from app.ports.recommender import (
    Item,
    Profile,
    Reason,
    Recommendation,
    Recommender,
    Snapshot,
)
from tests.fakes.recommender import OverlapRecommender

ADAPTERS: dict[str, Callable[[], Recommender]] = {
    "overlap": OverlapRecommender,
    "tfidf": TfidfRecommender,
    "ease": EaseRecommender,
    "hybrid": HybridRecommender,
}
POPULAR = (Reason("popular"),)


def book(number: int, title: str, author: str, *genres: str, language: str = "en") -> Item:
    """A book read by fewer readers the higher its number."""
    readers = 100 - number
    return Item(UUID(int=number), title, author, genres, language=language, popularity=readers)


HOBBIT = book(1, "The Hobbit", "J.R.R. Tolkien", "Fantasy", "Adventure")
TOWERS = book(2, "The Two Towers", "J.R.R. Tolkien", "Fantasy", "Adventure")
EARTHSEA = book(3, "A Wizard of Earthsea", "Ursula K. Le Guin", "Fantasy")
DISPOSSESSED = book(4, "The Dispossessed", "Ursula K. Le Guin", "Science Fiction")
DUNE = book(5, "Dune", "Frank Herbert", "Science Fiction")
EMMA = book(6, "Emma", "Jane Austen", "Romance")
PERSUASION = book(7, "Persuasion", "Jane Austen", "Romance")
MOMO = book(8, "Momo", "Michael Ende", "Fantasy", language="de")
COOKING = replace(book(9, "Salt", "Samin Nosrat"), tags=("Cooking",))
SHELF = (HOBBIT, TOWERS, EARTHSEA, DISPOSSESSED, DUNE, EMMA, PERSUASION, MOMO, COOKING)
EVERYTHING = len(SHELF)


def fitted(model: Recommender, items: Iterable[Item] = SHELF) -> Recommender:
    model.fit(Snapshot(version="1", items=tuple(items)))
    return model


def ids(found: Iterable[Recommendation]) -> list[UUID]:
    return [each.item_id for each in found]


def liked(*items: Item, weight: float = 1.0) -> Profile:
    return Profile(items={item.id: weight for item in items})


@pytest.fixture(params=ADAPTERS)
def unfitted(request: pytest.FixtureRequest) -> Recommender:
    return ADAPTERS[request.param]()


@pytest.fixture
def model(unfitted: Recommender) -> Recommender:
    return fitted(unfitted)


def test_books_like_the_readers_own_come_first(model: Recommender) -> None:
    assert ids(model.recommend(liked(HOBBIT), {HOBBIT.id}, 3)) == [TOWERS.id, EARTHSEA.id, MOMO.id]


def test_what_is_excluded_never_comes_back(model: Recommender) -> None:
    excluded = {HOBBIT.id, TOWERS.id, EMMA.id}
    found = ids(model.recommend(liked(HOBBIT), excluded, EVERYTHING))
    assert sorted(found) == sorted({item.id for item in SHELF} - excluded)


@pytest.mark.parametrize("k", [0, 1, 4, EVERYTHING + 5])
def test_no_more_than_k_are_given_and_no_fewer_than_there_are(model: Recommender, k: int) -> None:
    assert len(model.recommend(liked(DUNE), (), k)) == min(k, EVERYTHING)


def test_unknown_ids_change_nothing(model: Recommender) -> None:
    strange = Profile(items={DUNE.id: 1.0, uuid4(): 1.0})
    known = model.recommend(liked(DUNE), {DUNE.id}, 5)
    assert model.recommend(strange, {DUNE.id, uuid4()}, 5) == known


def test_unknown_names_change_nothing(model: Recommender) -> None:
    strange = Profile(genres={"cyberpunk": 1.0}, authors={"nobody": -1.0}, tags={"x": 1.0, "": 1.0})
    assert model.recommend(strange, (), 5) == model.recommend(Profile(), (), 5)


@pytest.mark.parametrize(
    "profile",
    [
        liked(HOBBIT, EMMA),
        Profile(items={DUNE.id: 1.0, EMMA.id: -1.0}, genres={"fantasy": 0.7}),
        Profile(authors={"jane austen": 1.0}, tags={"cooking": 0.5}, languages={"de": -1.0}),
        Profile(genres={"romance": -1.0}),
        Profile(),
    ],
)
def test_every_reason_is_true(model: Recommender, profile: Profile) -> None:
    shelf = {item.id: item for item in SHELF}
    found = model.recommend(profile, {HOBBIT.id}, EVERYTHING)
    assert len(found) == EVERYTHING - 1
    for each in found:
        assert 1 <= len(each.reasons) <= 3
        assert all(is_true(reason, shelf[each.item_id], profile) for reason in each.reasons)


def is_true(reason: Reason, item: Item, profile: Profile) -> bool:
    value = reason.value or ""
    match reason.kind:
        case "because_you_borrowed" | "readers_like_you":
            borrowed = reason.item_id
            return borrowed != item.id and borrowed is not None and profile.items[borrowed] > 0
        case "you_like_genre":
            stated = {**profile.tags, **profile.genres}.get(value.lower(), 0.0)
            return value in (*item.genres, *item.tags) and stated > 0
        case "you_like_author":
            return value in item.author and profile.authors[value.lower()] > 0
        case _:
            return reason == Reason("popular")


def test_the_book_that_says_most_is_named_first(model: Recommender) -> None:
    found = model.recommend(liked(EMMA, HOBBIT, EARTHSEA), {HOBBIT.id}, EVERYTHING)
    reasons = {each.item_id: each.reasons for each in found}
    assert reasons[TOWERS.id][0] == Reason("because_you_borrowed", item_id=HOBBIT.id)
    assert reasons[PERSUASION.id][0] == Reason("because_you_borrowed", item_id=EMMA.id)


@pytest.mark.parametrize(
    ("profile", "best", "reason"),
    [
        (Profile(genres={"romance": 1}), EMMA, Reason("you_like_genre", value="Romance")),
        (
            Profile(authors={"frank herbert": 1}),
            DUNE,
            Reason("you_like_author", value="Frank Herbert"),
        ),
        (Profile(tags={"cooking": 1}), COOKING, Reason("you_like_genre", value="Cooking")),
    ],
)
def test_a_stated_taste_is_enough(
    model: Recommender, profile: Profile, best: Item, reason: Reason
) -> None:
    first = model.recommend(profile, (), 1)[0]
    assert (first.item_id, first.reasons) == (best.id, (reason,))


def test_evidence_is_ordered_by_score_and_popularity_comes_after_it(model: Recommender) -> None:
    found = model.recommend(liked(DUNE, EARTHSEA), {DUNE.id, EARTHSEA.id}, EVERYTHING)
    backed = [each for each in found if each.reasons != POPULAR]
    assert found[: len(backed)] == backed
    assert [each.score for each in found] == sorted((e.score for e in found), reverse=True)
    assert ids(found[len(backed) :]) == [EMMA.id, PERSUASION.id, COOKING.id]
    assert all(each.score > 0 for each in backed)


def test_a_reader_nobody_knows_gets_the_popular_books_labelled_so(model: Recommender) -> None:
    found = model.recommend(Profile(), (), EVERYTHING)
    assert ids(found) == [item.id for item in SHELF]
    assert all(each.reasons == POPULAR for each in found)


def test_equally_popular_books_keep_one_order(unfitted: Recommender) -> None:
    items = [replace(item, popularity=0) for item in SHELF]
    first = fitted(unfitted, items).recommend(Profile(), (), EVERYTHING)
    assert fitted(unfitted, reversed(items)).recommend(Profile(), (), EVERYTHING) == first


def test_the_same_question_has_the_same_answer(model: Recommender) -> None:
    profile = Profile(items={DUNE.id: 0.5, EMMA.id: 1.0}, genres={"fantasy": 0.3})
    turned = Profile(items={EMMA.id: 1.0, DUNE.id: 0.5}, genres={"fantasy": 0.3})
    first = model.recommend(profile, (), EVERYTHING)
    assert ids(model.recommend(turned, (), EVERYTHING)) == ids(first)
    assert ids(fitted(model).recommend(profile, (), EVERYTHING)) == ids(first)


@pytest.mark.parametrize(
    ("profile", "disliked"),
    [
        (liked(HOBBIT, weight=-1.0), {HOBBIT, TOWERS, EARTHSEA, MOMO}),
        (Profile(items={DUNE.id: -1.0, EMMA.id: 1.0}), {DUNE, DISPOSSESSED}),
        (Profile(genres={"science fiction": -1.0}), {DUNE, DISPOSSESSED}),
        (Profile(authors={"jane austen": -1.0}, genres={"fantasy": 1.0}), {EMMA, PERSUASION}),
        (Profile(tags={"cooking": -1.0}), {COOKING}),
    ],
)
def test_what_is_disliked_comes_last(
    model: Recommender, profile: Profile, disliked: set[Item]
) -> None:
    unloved = {item.id for item in disliked}
    rest = len(SHELF) - len(unloved)
    assert unloved.isdisjoint(ids(model.recommend(profile, (), rest)))


def test_all_dislikes_leave_the_rest_in_order_of_popularity(unfitted: Recommender) -> None:
    model = fitted(unfitted, [replace(TOWERS, popularity=500), *SHELF])
    found = model.recommend(liked(HOBBIT, weight=-1.0), (), 3)
    assert ids(found) == [DISPOSSESSED.id, DUNE.id, EMMA.id]
    assert all(each.reasons == POPULAR for each in found)


def test_a_disliked_language_sinks_a_book_that_fits(model: Recommender) -> None:
    fits = Profile(items={HOBBIT.id: 1.0}, languages={"de": -1.0})
    assert ids(model.recommend(fits, {HOBBIT.id}, EVERYTHING))[-1] == MOMO.id
    unknown = Profile(languages={"de": -1.0})
    assert ids(model.recommend(unknown, (), EVERYTHING))[-1] == MOMO.id


def test_a_book_is_no_reason_for_itself(model: Recommender) -> None:
    found = model.recommend(liked(COOKING), (), EVERYTHING)
    assert all(each.reasons == POPULAR for each in found)


def test_a_fit_forgets_the_one_before(model: Recommender) -> None:
    fitted(model, [DUNE, EMMA])
    assert set(ids(model.recommend(liked(HOBBIT), (), EVERYTHING))) == {DUNE.id, EMMA.id}
    assert model.similar(HOBBIT.id, 3) == []


def test_what_comes_first_does_not_depend_on_how_much_is_asked(model: Recommender) -> None:
    profile = Profile(items={DUNE.id: 1.0, EARTHSEA.id: 0.5}, genres={"romance": 0.2})
    for diversity in (0.0, 0.3, 1.0):
        whole = model.recommend(profile, {DUNE.id}, EVERYTHING, diversity=diversity)
        for k in range(EVERYTHING):
            assert model.recommend(profile, {DUNE.id}, k, diversity=diversity) == whole[:k]


def test_diversity_brings_the_other_taste_forward(model: Recommender) -> None:
    both = Profile(items={HOBBIT.id: 1.0, EMMA.id: 0.4})
    had = {HOBBIT.id, EMMA.id}
    plain = model.recommend(both, had, EVERYTHING)
    various = model.recommend(both, had, EVERYTHING, diversity=0.6)
    assert sorted(ids(various)) == sorted(ids(plain))
    assert various[0] == plain[0]
    place = ids(plain).index(PERSUASION.id)
    assert ids(various).index(PERSUASION.id) < max(place, 2)


def test_the_model_says_which_items_it_knows_and_how_many_readers_had_them(
    model: Recommender,
) -> None:
    assert dict(model.items) == {item.id: item.popularity for item in SHELF}


def test_similar_books_are_the_nearest_without_the_book_itself(model: Recommender) -> None:
    found = model.similar(HOBBIT.id, EVERYTHING)
    assert ids(found)[0] == TOWERS.id
    assert HOBBIT.id not in ids(found)
    assert {EARTHSEA.id, MOMO.id} <= set(ids(found))
    assert ids(model.similar(HOBBIT.id, 1)) == [TOWERS.id]
    assert model.similar(HOBBIT.id, EVERYTHING) == found


def test_similar_books_say_what_they_share(model: Recommender) -> None:
    shelf = {item.id: item for item in SHELF}
    for each in model.similar(EARTHSEA.id, EVERYTHING):
        assert each.reasons
        for reason in each.reasons:
            if reason.kind == "because_you_borrowed":
                assert reason.item_id == EARTHSEA.id
            else:
                named = (*shelf[each.item_id].genres, shelf[each.item_id].author)
                assert reason.value in named
                assert reason.value in (*EARTHSEA.genres, EARTHSEA.author)


def test_nothing_is_similar_to_an_unknown_book(model: Recommender) -> None:
    assert model.similar(uuid4(), 3) == []


@pytest.mark.parametrize("fit_first", [True, False])
def test_an_empty_library_recommends_nothing(unfitted: Recommender, fit_first: bool) -> None:
    if fit_first:
        fitted(unfitted, [])
    profile = Profile(items={uuid4(): 1.0}, genres={"fantasy": 1.0}, languages={"de": -1.0})
    assert unfitted.recommend(profile, {uuid4()}, 3) == []
    assert unfitted.similar(uuid4(), 3) == []


def test_a_library_of_one_book_recommends_it(unfitted: Recommender) -> None:
    model = fitted(unfitted, [DUNE])
    assert ids(model.recommend(Profile(), (), 3)) == [DUNE.id]
    assert model.recommend(liked(DUNE), {DUNE.id}, 3) == []
    assert model.similar(DUNE.id, 3) == []


def test_books_without_a_word_are_still_recommended(unfitted: Recommender) -> None:
    blank = [Item(UUID(int=n), title="", author="", popularity=n) for n in (1, 2, 3)]
    model = fitted(unfitted, blank)
    last = model.recommend(Profile(genres={"fantasy": 1.0}), (), 3)
    assert ids(last) == [UUID(int=3), UUID(int=2), UUID(int=1)]
    assert all(each.reasons == POPULAR for each in last)


def test_questions_during_a_fit_are_answered_from_one_snapshot_or_the_other(
    model: Recommender,
) -> None:
    shelves = [SHELF, (DUNE, EMMA), ()]
    whole = [{item.id for item in shelf} for shelf in shelves]
    with ThreadPoolExecutor(4) as pool:
        fits = [pool.submit(fitted, model, shelves[turn % 3]) for turn in range(15)]
        asked = [pool.submit(model.recommend, liked(DUNE), (), EVERYTHING) for _ in range(60)]
        assert all(fit.result() for fit in fits)
        assert all(set(ids(answer.result())) in whole for answer in asked)

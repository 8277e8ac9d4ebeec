"""What only recommenders promise that learn from readers."""

import random
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier

from app.adapters.recommender.ease import EaseRecommender
from app.adapters.recommender.forest import Forest, forest_of
from app.adapters.recommender.graph import graph_of
from app.adapters.recommender.hybrid import HybridRecommender
from app.adapters.recommender.nearest import nearest
from app.adapters.recommender.tfidf import TfidfRecommender
from app.ports.recommender import Interaction, Profile, Recommender, Snapshot
from tests.contracts.test_recommenders import ids
from tests.recommending import BOOKS, CROWDED, EVEN, ODD, crowded

LEARNING: dict[str, Callable[[], Recommender]] = {
    "ease": EaseRecommender,
    "hybrid": HybridRecommender,
}


@pytest.fixture(params=LEARNING)
def model(request: pytest.FixtureRequest) -> Recommender:
    return LEARNING[request.param]()


def fitted(model: Recommender, snapshot: Snapshot = CROWDED) -> Recommender:
    model.fit(snapshot)
    return model


def read(*books: UUID, weight: float = 1.0) -> Profile:
    return Profile(items=dict.fromkeys(books, weight))


def test_readers_tell_what_books_do_not_say(model: Recommender) -> None:
    found = ids(fitted(model).recommend(read(*EVEN[:5]), EVEN[:5], 10))
    assert set(found) <= set(EVEN)
    content = ids(fitted(TfidfRecommender()).recommend(read(*EVEN[:5]), EVEN[:5], 10))
    assert not set(content) <= set(EVEN)


def test_the_reason_is_the_book_readers_had_with_it(model: Recommender) -> None:
    for one in fitted(model).recommend(read(*EVEN[:3]), EVEN[:3], 10):
        assert 1 <= len(one.reasons) <= 3
        for reason in one.reasons:
            assert reason.kind in ("readers_like_you", "because_you_borrowed")
            assert reason.item_id in EVEN[:3]
    kinds = {r.kind for one in model.recommend(read(*EVEN[:3]), EVEN[:3], 10) for r in one.reasons}
    assert "readers_like_you" in kinds


def test_no_reason_is_a_book_the_reader_disliked(model: Recommender) -> None:
    """What is against a disliked book speaks for others, but is not why they are liked."""
    for seed in range(10):
        few = random.Random(seed)
        loved, hated = few.sample(EVEN, 3), [*few.sample(ODD, 3), few.choice(EVEN)]
        weights = {**dict.fromkeys(loved, 0.5), **dict.fromkeys(hated, -1.0)}
        found = fitted(model).recommend(Profile(items=weights), weights, 10, diversity=0.1)
        named = [reason.item_id for one in found for reason in one.reasons if reason.item_id]
        assert named
        assert set(named) <= set(loved) - {hated[-1]}


def test_another_book_in_the_history_changes_the_next_answer(model: Recommender) -> None:
    fitted(model)
    one = ids(model.recommend(read(EVEN[0]), {EVEN[0]}, 5))
    two = ids(model.recommend(read(EVEN[0], *ODD[:6]), {EVEN[0], *ODD[:6]}, 5))
    assert set(one) <= set(EVEN)
    assert set(two) & set(ODD)


def test_similar_books_are_those_read_together_too(model: Recommender) -> None:
    found = fitted(model).similar(EVEN[0], BOOKS)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    read_with = [one for one in found if one.reasons[0].kind == "readers_like_you"]
    assert ids(read_with)[0] in EVEN[1:]
    assert all(one.reasons[0].item_id == EVEN[0] for one in read_with)


def test_with_too_few_readers_content_answers_alone(model: Recommender) -> None:
    few = crowded(readers=8)
    profile = read(*EVEN[:4])
    content = fitted(TfidfRecommender(), few).recommend(profile, EVEN[:4], BOOKS)
    assert fitted(model, few).recommend(profile, EVEN[:4], BOOKS) == content


def test_a_reader_without_history_is_served_by_taste_and_popularity(model: Recommender) -> None:
    content = fitted(TfidfRecommender())
    for profile in (Profile(), Profile(genres={"genre 1": 1.0})):
        expected = content.recommend(profile, (), BOOKS)
        assert fitted(model).recommend(profile, (), BOOKS) == expected


def test_only_dismissals_sink_what_was_dismissed(model: Recommender) -> None:
    found = ids(fitted(model).recommend(read(*EVEN[:6], weight=-1.0), (), BOOKS))
    assert len(found) == BOOKS
    assert set(found[:10]).isdisjoint(EVEN[:6])


def test_a_book_nobody_had_yet_is_found_by_what_it_says(model: Recommender) -> None:
    new = replace(CROWDED.items[0], id=UUID(int=500), popularity=0)
    snapshot = replace(CROWDED, items=[*CROWDED.items, new])
    found = fitted(model, snapshot).recommend(read(EVEN[0]), {EVEN[0]}, BOOKS)
    discovered = found[ids(found).index(new.id)]
    assert discovered.score > 0
    assert discovered.reasons[0].item_id == EVEN[0]


def test_interactions_with_unknown_books_and_without_liking_are_harmless(
    model: Recommender,
) -> None:
    strange = [replace(one, item_id=one.reader_id) for one in CROWDED.interactions]
    dull = [replace(one, weight=weight) for one in CROWDED.interactions for weight in (0.0,)]
    for done in (strange, dull, [*strange, *CROWDED.interactions]):
        snapshot = replace(CROWDED, interactions=done)
        assert len(fitted(model, snapshot).recommend(read(EVEN[0]), (), BOOKS)) == BOOKS


def test_fifty_thousand_events_of_one_reader_are_learnt_and_answered(model: Recommender) -> None:
    one = CROWDED.interactions[0]
    many = [
        Interaction(one.reader_id, item.id, 0.5, one.at)
        for item in CROWDED.items
        for _ in range(1250)
    ]
    fitted(model, replace(CROWDED, interactions=[*CROWDED.interactions, *many]))
    unknown = {UUID(int=10_000 + n): 1.0 for n in range(50_000)}
    found = model.recommend(Profile(items={**unknown, EVEN[0]: 1.0}), {EVEN[0]}, 5)
    assert set(ids(found)) <= set(EVEN)


def test_a_fit_that_fails_leaves_the_model_there_was(model: Recommender) -> None:
    before = fitted(model).recommend(read(EVEN[0]), (), BOOKS)
    with pytest.raises(AttributeError):
        model.fit(Snapshot("2", [None]))  # type: ignore[list-item]
    with pytest.raises(AttributeError):
        model.fit(replace(CROWDED, interactions=[None]))  # type: ignore[list-item]
    assert model.recommend(read(EVEN[0]), (), BOOKS) == before


def test_a_forest_answers_as_the_library_that_learnt_it() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(2000, 4)).astype(np.float32)
    hits = features[:, 0] * features[:, 1] > 0.3
    forest = forest_of(features, hits)
    chances = forest.chances(features)
    model = HistGradientBoostingClassifier(
        max_iter=80,
        learning_rate=0.06,
        max_leaf_nodes=15,
        max_depth=5,
        min_samples_leaf=40,
        l2_regularization=10,
        max_features=0.5,
        early_stopping=False,
        random_state=0,
    ).fit(features, hits)
    assert np.allclose(chances, model.predict_proba(features)[:, 1], atol=1e-5)
    again = Forest.from_arrays("x", forest.arrays("x"))
    assert np.array_equal(again.chances(features), chances)


def test_a_graph_says_the_same_row_by_row_and_summed() -> None:
    random = np.random.default_rng(0)
    dense = random.normal(size=(600, 600)).astype(np.float16).astype(np.float32)
    graph = graph_of([dense[:300], dense[300:]], 700)
    rows, weights = np.arange(0, 600, 2), np.full(300, 0.5, dtype=np.float32)
    assert np.allclose(graph.voices(rows, weights), weights @ dense[rows], atol=1e-3)
    candidates = np.array([5, 3, 599])
    assert np.array_equal(graph.between(rows, candidates), dense[np.ix_(rows, candidates)])
    narrow = graph_of([dense], 10)
    assert np.diff(narrow.starts).tolist() == [10] * 600


@pytest.mark.parametrize("tokens", [60, 3000])
def test_the_nearest_of_many_are_nearly_those_that_comparing_all_would_find(tokens: int) -> None:
    """Of few tokens all are common, of many hardly one."""
    random = np.random.default_rng(0)
    dense = random.random((400, tokens)) * (random.random((400, tokens)) < 4 / 400)
    dense[:, 0] = 0.2
    matrix = sparse.csr_array(dense.astype(np.float32))
    exact, nearly = nearest(matrix, 20), nearest(matrix, 20, most_exact=10)
    everyone = np.arange(400)
    said = exact.between(everyone, everyone), nearly.between(everyone, everyone)
    both = (said[0] > 0) & (said[1] > 0)
    assert np.allclose(said[0][both], said[1][both], atol=1e-3)
    # All share the first token; who shares no other is as near as anybody.
    closer = said[0] > 0.05
    assert (both & closer).sum() > 0.8 * closer.sum() > 500
    assert not said[1].diagonal().any()

"""On real readers the content model must be far above the floors, not just above chance."""

import os
from pathlib import Path

import pytest

from app.adapters.recommender.tfidf import TfidfRecommender
from benchmarks.recommend import (
    OneFieldMean,
    PopularityRanking,
    RandomRanking,
    compare,
    read_books,
    read_liked,
)

BESIDE = Path(__file__).parents[2].parent / "shared" / "data"
GOODBOOKS = Path(os.environ.get("LUMINA_TEST_DATA", BESIDE)) / "goodbooks"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.evals,
    pytest.mark.skipif(not GOODBOOKS.is_dir(), reason="the real books are not here"),
]


def test_the_content_model_is_far_better_than_popularity_and_than_one_bag_of_words() -> None:
    items = read_books(GOODBOOKS / "books.csv")
    liked = read_liked(GOODBOOKS / "ratings.csv")
    results = {each.name: each for each in compare(items, liked, seed=0, most_readers=225)}
    ours = results[TfidfRecommender.name]
    assert results[RandomRanking.name].ndcg < 0.01
    assert ours.ndcg > 2 * results[PopularityRanking.name].ndcg
    assert ours.ndcg > 2.5 * results[OneFieldMean.name].ndcg
    assert ours.recall > 2 * results[PopularityRanking.name].recall
    assert ours.coverage > 10 * results[PopularityRanking.name].coverage

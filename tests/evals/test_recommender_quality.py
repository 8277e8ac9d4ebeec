"""On real readers our models must be far above the floors and the rivals, as recorded."""

import os
from pathlib import Path

import numpy as np
import pytest

from app.adapters.recommender.hybrid import HybridRecommender
from app.adapters.recommender.tfidf import TfidfRecommender
from benchmarks._readers import Task, held_out, new_books, read_books, read_stars, strangers
from benchmarks._rivals import Ease, FieldsKnn, OneFieldMean, PopularityRanking, RandomRanking
from benchmarks.recommend import SEEDS, compare

BESIDE = Path(__file__).parents[2].parent / "shared" / "data"
GOODBOOKS = Path(os.environ.get("LUMINA_TEST_DATA", BESIDE)) / "goodbooks"

_OURS = (TfidfRecommender, HybridRecommender)

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.evals,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not GOODBOOKS.is_dir(), reason="the real books are not here"),
]


def test_strangers_find_their_next_book() -> None:
    items, stars = read_books(GOODBOOKS / "books.csv"), read_stars(GOODBOOKS / "ratings.csv")
    task = strangers(items, stars, held_out(stars, seed=0, dev=False), seed=0)
    floors = (RandomRanking, PopularityRanking, OneFieldMean, FieldsKnn, Ease)
    found = {each.name: each for each in compare(task, (*floors, *_OURS))}
    hybrid, content = found[HybridRecommender.name], found[TfidfRecommender.name]
    assert found[RandomRanking.name].ndcg < 0.01
    assert content.ndcg > 2 * found[PopularityRanking.name].ndcg
    assert content.ndcg > 1.1 * found[FieldsKnn.name].ndcg
    assert hybrid.ndcg > 1.2 * found[Ease.name].ndcg
    assert hybrid.coverage > found[Ease.name].coverage


def test_a_book_nobody_had_yet_finds_its_readers() -> None:
    """In the mean of the splits that are recorded: one alone says anything from 1.03 to 1.27."""
    rivals = (RandomRanking, FieldsKnn, HybridRecommender)
    splits = [compare(_on_new_books(seed), rivals) for seed in SEEDS]
    random, fields, hybrid = np.mean([[each.ndcg for each in found] for found in splits], axis=0)
    assert random < 0.05
    assert hybrid > 1.1 * fields


def _on_new_books(seed: int) -> Task:
    items, stars = read_books(GOODBOOKS / "books.csv"), read_stars(GOODBOOKS / "ratings.csv")
    return new_books(items, stars, held_out(stars, seed=seed, dev=False), seed=seed)

"""On real stories the extract must be far above the floors, and near what people cover."""

import os
from pathlib import Path

import pytest

from benchmarks._stories import halves, read_stories
from benchmarks.summaries import WORDS, compare, extractive, lead, random_sentences

BESIDE = Path(__file__).parents[2].parent / "shared" / "data"
STORIES = Path(os.environ.get("LUMINA_TEST_DATA", BESIDE)) / "summaries" / "squality_train.jsonl"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.evals,
    pytest.mark.skipif(not STORIES.is_file(), reason="the stories are not here"),
]


def test_an_extract_says_more_than_the_beginning_and_than_chance() -> None:
    _, stories = halves(read_stories(STORIES))
    systems = {"lead": lead, "random": random_sentences(0), "ours": extractive}
    results = {result.name: result for result in compare(stories, systems)}
    ours, people = results["ours"], results["people"]
    assert ours.rouge[0] > 46
    assert ours.rouge[1] > 10
    assert ours.rouge[2] > 18
    for floor in (results["lead"], results["random"]):
        assert all(mine > its for mine, its in zip(ours.rouge, floor.rouge, strict=True))
    assert ours.rouge[0] < people.rouge[0]
    assert ours.coverage > 80
    assert ours.words <= WORDS
    assert all(0.14 <= share <= 0.26 for share in ours.spread)

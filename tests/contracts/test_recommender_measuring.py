"""A recommender that is measured answers as it would unmeasured."""

import io
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from app.adapters.fitting.measuring import MeasuringRecommender, measured
from app.ports.recommender import Item, ModelDamaged, Profile, Snapshot
from tests.fakes.recommender import OverlapRecommender

BOOKS = [Item(UUID(int=n), f"Book {n}", "Somebody", ("Sea",), popularity=n) for n in (1, 2, 3)]
PROFILE = Profile(items={BOOKS[0].id: 1.0})


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"lumina_recommender_{name}", labels) or 0.0


def fitted() -> MeasuringRecommender:
    model = MeasuringRecommender(OverlapRecommender())
    model.fit(Snapshot("1", BOOKS))
    return model


def test_answers_are_the_same_and_their_time_is_kept() -> None:
    plain, model = OverlapRecommender(), fitted()
    plain.fit(Snapshot("1", BOOKS))
    before = counted("seconds_count", question="recommend")
    assert model.name == plain.name
    assert model.items == plain.items
    for diversity in (0.0, 0.5):
        answer = model.recommend(PROFILE, [BOOKS[0].id], 3, diversity=diversity)
        assert answer == plain.recommend(PROFILE, [BOOKS[0].id], 3, diversity=diversity)
    assert model.similar(BOOKS[1].id, 2) == plain.similar(BOOKS[1].id, 2)
    assert counted("seconds_count", question="recommend") == before + 2


def test_what_can_be_loaded_and_what_cannot_is_counted() -> None:
    file = io.BytesIO()
    fitted().save(file)
    before = [counted("loads_total", outcome=outcome) for outcome in ("loaded", "damaged")]
    model = measured(OverlapRecommender)()
    model.load(io.BytesIO(file.getvalue()))
    with pytest.raises(ModelDamaged):
        model.load(io.BytesIO(b"no model"))
    assert model.items == fitted().items
    after = [counted("loads_total", outcome=outcome) for outcome in ("loaded", "damaged")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1]

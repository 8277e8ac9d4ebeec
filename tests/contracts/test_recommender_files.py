"""What a stored model promises: it comes back whole, or not at all."""

import io
import json
from collections.abc import Callable, Iterator

import pytest

from app.adapters.recommender.archive import VERSION, Archive, read_archive, write_archive
from app.ports.recommender import ModelDamaged, Profile, Recommender, Snapshot
from tests.contracts.test_recommenders import (
    ADAPTERS,
    DUNE,
    EARTHSEA,
    EMMA,
    EVERYTHING,
    SHELF,
    fitted,
    ids,
    liked,
)
from tests.recommending import CROWDED

Maker = Callable[[], Recommender]
ARCHIVED = [name for name in ADAPTERS if name != "overlap"]
SNAPSHOTS = {
    "readers": CROWDED,
    "no readers": Snapshot("1", SHELF),
    "one book": Snapshot("1", [DUNE]),
    "empty": Snapshot("1", []),
}


@pytest.fixture(params=ADAPTERS)
def new(request: pytest.FixtureRequest) -> Maker:
    return ADAPTERS[request.param]


def saved(model: Recommender) -> bytes:
    target = io.BytesIO()
    model.save(target)
    return target.getvalue()


def loaded(model: Recommender, content: bytes) -> Recommender:
    model.load(io.BytesIO(content))
    return model


@pytest.mark.parametrize("snapshot", SNAPSHOTS.values(), ids=SNAPSHOTS)
def test_a_loaded_model_answers_as_the_one_that_was_saved(new: Maker, snapshot: Snapshot) -> None:
    model = new()
    model.fit(snapshot)
    again = loaded(new(), saved(model))
    known = [item.id for item in snapshot.items]
    profile = Profile(items=dict.fromkeys(known[:4], 1.0), genres={"fantasy": 0.5})
    before, after = (m.recommend(profile, known[:4], EVERYTHING) for m in (model, again))
    assert ids(after) == ids(before)
    assert [one.reasons for one in after] == [one.reasons for one in before]
    assert again.items == model.items
    for item_id in known[:2]:
        assert ids(again.similar(item_id, 3)) == ids(model.similar(item_id, 3))


def test_a_file_may_be_followed_by_nothing_and_end_nowhere_earlier(new: Maker) -> None:
    content = saved(fitted(new()))
    survivor = fitted(new(), [DUNE, EMMA])
    for part in cut_short(content):
        with pytest.raises(ModelDamaged):
            survivor.load(io.BytesIO(part))
    assert set(survivor.items) == {DUNE.id, EMMA.id}
    assert len(survivor.recommend(liked(EARTHSEA), (), EVERYTHING)) == 2


def cut_short(content: bytes) -> Iterator[bytes]:
    yield b""
    yield from (content[: len(content) * share // 10] for share in range(1, 10))
    yield content[:-2]


@pytest.mark.parametrize("name", ARCHIVED)
def test_one_altered_byte_is_noticed(name: str) -> None:
    content = saved(fitted(ADAPTERS[name]()))
    header = content.index(b"\n")
    for place in (header + 1, (header + len(content)) // 2, len(content) - 1):
        altered = bytearray(content)
        altered[place] ^= 0xFF
        with pytest.raises(ModelDamaged):
            loaded(ADAPTERS[name](), bytes(altered))


@pytest.mark.parametrize("name", ARCHIVED)
@pytest.mark.parametrize(
    "changed",
    [
        {"version": VERSION + 1},
        {"version": VERSION - 1},
        {"format": "pickle"},
        {"model": "another"},
        {"arrays": {"x": ["|O", [3]]}},
        {"arrays": {"x": ["<f4", [-3]]}},
        {"arrays": {"x": ["<f4", [10**18]]}},
        {"arrays": {"x": ["no such type", [3]]}},
        {"arrays": {"x": None}},
        {"arrays": []},
    ],
)
def test_a_file_of_another_kind_is_refused(name: str, changed: dict[str, object]) -> None:
    line, _, rest = saved(fitted(ADAPTERS[name]())).partition(b"\n")
    header = json.dumps({**json.loads(line), **changed}).encode()
    with pytest.raises(ModelDamaged):
        loaded(ADAPTERS[name](), header + b"\n" + rest)


@pytest.mark.parametrize("content", [b"\n", b"[]\n", b"{}\n", b"null\n", b"\x80\x04\x95\n", b"x"])
def test_what_is_no_model_is_refused(new: Maker, content: bytes) -> None:
    with pytest.raises(ModelDamaged):
        loaded(new(), content)


@pytest.mark.parametrize("name", ARCHIVED)
def test_a_sound_file_of_other_arrays_is_refused(name: str) -> None:
    source = io.BytesIO(saved(fitted(ADAPTERS[name]())))
    arrays = read_archive(source, name).arrays
    survivor = fitted(ADAPTERS[name](), [DUNE, EMMA])
    for kept in ([], list(arrays)[:-1], list(arrays)[1:]):
        target = io.BytesIO()
        write_archive(target, Archive(name, {}, {each: arrays[each] for each in kept}))
        with pytest.raises(ModelDamaged):
            loaded(survivor, target.getvalue())
    crooked = {**arrays, "shelf.ids": arrays["shelf.ids"][:-3]}
    target = io.BytesIO()
    write_archive(target, Archive(name, {}, crooked))
    with pytest.raises(ModelDamaged):
        loaded(survivor, target.getvalue())
    assert set(survivor.items) == {DUNE.id, EMMA.id}


def test_one_recommender_does_not_take_the_model_of_another() -> None:
    for name in ADAPTERS:
        content = saved(fitted(ADAPTERS[name]()))
        for other in ADAPTERS.keys() - {name}:
            with pytest.raises(ModelDamaged):
                loaded(ADAPTERS[other](), content)

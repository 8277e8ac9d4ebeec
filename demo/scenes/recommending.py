"""The next book, and why."""

from collections import Counter

from demo.reader import Json, Reader
from demo.stage import Stage, Volume
from demo.telling import must

_ENOUGH = 3


def play(stage: Stage) -> None:
    stage.teller.chapter("What should Sam read next?")
    if len(stage.volumes) < _ENOUGH:
        stage.teller.say(f"With fewer than {_ENOUGH} books there is nothing to choose from.")
        return
    reader = stage.borrowers[-1]
    kind, name = _taste(stage)
    stated = {kind: [{"name": name, "weight": 1.0}]}
    kept = reader.asks("PUT", "/users/me/preferences", json=stated, tell=_learnt)
    must(kept[kind] == stated[kind], f"what was said is kept: {kept}")
    found = _recommended(stage, reader, name)
    _feed_back(stage, reader, found)
    _similar(stage, reader)


def _taste(stage: Stage) -> tuple[str, str]:
    """A genre (or, where no book says one, an author) of books Sam does not know."""
    others = [v.shown for v in stage.volumes if v is not stage.favourite]
    genres = Counter(genre for book in others for genre in book["genres"])
    if genres:
        return "genres", genres.most_common(1)[0][0]
    authors = Counter(book["author"] for book in others)
    return "authors", authors.most_common(1)[0][0]


def _learnt(preferences: Json) -> str:
    learned = preferences["learned"]
    told = [f"{one['name']} {one['weight']:+.2f}" for tastes in learned.values() for one in tastes]
    return f"learnt from loans and reviews: {', '.join(told[:4]) or 'nothing yet'}"


def _recommended(stage: Stage, reader: Reader, taste: str) -> Json:
    found = reader.asks("GET", "/recommendations", params={"limit": 5}, tell=_model)
    must(found["items"], "something is recommended")
    ids = [item["book"]["id"] for item in found["items"]]
    must(stage.favourite.id not in ids, "what Sam has had is not recommended")
    must(all(item["reasons"] for item in found["items"]), "every recommendation has a reason")
    values = {r["value"].casefold() for i in found["items"] for r in i["reasons"] if r["value"]}
    must(taste.casefold() in values, f"{taste} is among the reasons: {values}")
    _tell(stage, found)
    return found


def _feed_back(stage: Stage, reader: Reader, found: Json) -> None:
    unwanted = found["items"][-1]["book"]
    path = f"/recommendations/{found['recommendation_id']}/feedback"
    reader.asks("POST", path, expect=204, json={"book_id": unwanted["id"], "action": "dismiss"})
    again = reader.looks("GET", "/recommendations", params={"limit": 100})
    ids = [item["book"]["id"] for item in again["items"]]
    must(unwanted["id"] not in ids, "a dismissed book does not come back")
    stage.teller.good(f"“{unwanted['title']}” will not be offered to Sam again.")


def _similar(stage: Stage, reader: Reader) -> None:
    volume = _with_company(stage)
    stage.teller.say(f"And what is like “{volume.title}”?")
    found = reader.asks("GET", f"{volume.path}/similar", params={"limit": 3}, tell=_model)
    must(found["items"], "something is similar")
    must(all(i["book"]["id"] != volume.id for i in found["items"]), "nothing is like itself")
    _tell(stage, found)


def _with_company(stage: Stage) -> Volume:
    """A book that shares its genre, author or language with the most others."""
    marks = Counter(mark for volume in stage.volumes for mark in _marks(volume))
    return max(stage.volumes, key=lambda v: max(marks[mark] for mark in _marks(v)))


def _marks(volume: Volume) -> list[str]:
    return [*volume.shown["genres"], volume.shown["author"]]


def _model(found: Json) -> str:
    return f"{len(found['items'])} books by {found['model']['name']}"


def _tell(stage: Stage, found: Json) -> None:
    for item in found["items"]:
        stage.teller.row(f"  {item['book']['title'][:50]:50} {item['score']:.3f}")
        stage.teller.row(f"      {'; '.join(reason['text'] for reason in item['reasons'])}"[:96])

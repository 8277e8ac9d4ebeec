"""One copy, several readers; and what they think of it."""

from demo.reader import Json, Reader
from demo.stage import Stage, Volume
from demo.telling import must

_OPINIONS = (
    (5, "A story that kept me awake. The characters feel real and the ending is wonderful."),
    (4, "Beautiful writing and a convincing setting. The pace is slow in the middle."),
    (2, "The writing is good, but I did not care for the plot and the ending disappointed me."),
)


def play(stage: Stage) -> None:
    _lend(stage, stage.favourite)
    _review(stage, stage.favourite)
    _agree(stage, stage.favourite)


def _lend(stage: Stage, volume: Volume) -> None:
    stage.teller.chapter("There is one copy")
    first, second, third = stage.borrowers
    first.asks("POST", f"{volume.path}/borrow", expect=201, tell=_due)
    refused = second.asks("POST", f"{volume.path}/borrow", expect=409)
    must(refused["code"] == "no_copy_available", f"the only copy is gone: {refused}")
    review = {"rating": 1, "text": "I have not read it, but I am sure it is bad."}
    refused = third.asks("POST", f"{volume.path}/reviews", expect=403, json=review)
    must(refused["code"] == "not_borrowed", f"who never had it has no opinion: {refused}")
    must(stage.librarian.looks("GET", volume.path)["available"] == 0, "no copy is left")
    stage.teller.good("Sam has to read it first, and Aiko has to wait.")


def _review(stage: Stage, volume: Volume) -> None:
    stage.teller.chapter("It goes from hand to hand, and collects opinions")
    for reader, (stars, text) in zip(stage.borrowers, _OPINIONS, strict=True):
        if reader is not stage.borrowers[0]:
            reader.asks("POST", f"{volume.path}/borrow", expect=201, tell=_due)
        review = {"rating": stars, "text": text}
        reader.asks("POST", f"{volume.path}/reviews", expect=201, json=review)
        _give_back(reader, volume)
    again = {"rating": 5, "text": "And once more."}
    refused = stage.borrowers[0].asks("POST", f"{volume.path}/reviews", expect=409, json=again)
    must(refused["code"] == "already_reviewed", f"one opinion each: {refused}")


def _give_back(reader: Reader, volume: Volume) -> None:
    loan = reader.looks("POST", f"{volume.path}/return")
    must(loan["returned_at"], "the book is back")


def _agree(stage: Stage, volume: Volume) -> None:
    stage.teller.chapter("What readers think, together")
    reader = stage.borrowers[0]
    path = f"{volume.path}/analysis"
    reader.waits_for(path, lambda told: bool(told["status"] == "fresh"), seconds=600)
    told = reader.asks("GET", path, tell=_stars)
    ratings = [stars for stars, _ in _OPINIONS]
    must(told["reviews_covered"] == len(ratings), "every review is in it")
    mean = sum(ratings) / len(ratings)
    must(abs(told["rating"]["average"] - mean) < 0.01, f"the average is {mean}: {told['rating']}")
    must(told["consensus"], "the consensus says something")
    must(-1 <= told["sentiment"] <= 1, "the sentiment lies between -1 and 1")
    stage.teller.quote(told["consensus"])
    for aspect in told["aspects"][:5]:
        stage.teller.row(
            f"  {aspect['name']:12} + {aspect['positive']}  - {aspect['negative']}"
            f"  ± {aspect['mixed']}   readers {aspect['readers']}"
        )
    stage.teller.good("The stars are counted by the database; no model had a say in them.")


def _stars(told: Json) -> str:
    rating = told["rating"]
    return (
        f"{rating['average']:.2f} of 5 stars from {rating['count']} readers,"
        f" sentiment {told['sentiment']:+.2f}"
    )


def _due(loan: Json) -> str:
    return f"due {loan['due_at'][:10]}"

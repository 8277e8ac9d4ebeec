"""A summary is read, and a book is found by what it says."""

import re
from collections import Counter
from collections.abc import Mapping
from textwrap import shorten

from demo.reader import Json
from demo.stage import Stage, Volume
from demo.telling import must

_WORD = re.compile(r"\b[^\W\d_]{4,}\b")


def play(stage: Stage) -> None:
    told = {v.id: stage.librarian.looks("GET", f"{v.path}/summary") for v in stage.volumes}
    _read(stage, stage.favourite, told[stage.favourite.id])
    _search(stage, stage.favourite, told)


def _read(stage: Stage, volume: Volume, told: Json) -> None:
    stage.teller.chapter(f"What does “{volume.title}” say?")
    reader = stage.borrowers[0]
    reader.asks("GET", f"{volume.path}/summary", tell=_state)
    must(told["summary"] and told["coverage"] == 1.0, "the summary rests on the whole book")
    must(told["chapters"], "the summary has chapters")
    stage.teller.quote(told["blurb"])
    stage.teller.quote(told["summary"])
    for chapter in told["chapters"][:3]:
        stage.teller.row(f"  · {shorten(chapter['title'], 80, placeholder=' …')}")
        stage.teller.quote(chapter["summary"], most=150)
    source = told["source"]
    must(source["model"] and source["prompt"], "the summary says who wrote it")
    stage.teller.good(
        f"{len(told['chapters'])} chapters; themes: {', '.join(told['themes'][:5])}; by"
        f" {source['provider']} ({source['model']}, prompt {source['prompt']}); it rests on"
        f" {told['coverage']:.0%} of the book."
    )


def _state(told: Json) -> str:
    progress = told["progress"]
    return f"{told['status']}, {progress['done']} of {progress['planned']} nodes"


def _search(stage: Stage, volume: Volume, told: Mapping[str, Json]) -> None:
    stage.teller.chapter("Finding it again")
    word = _telling_word(volume, told)
    stage.teller.say(f"By a word that stands in the text only: {word}.")
    _found(stage, volume, word)
    typo = _misspelt(volume.title)
    stage.teller.say(f"By its title, as somebody types it in a hurry: {typo}.")
    _found(stage, volume, typo)


def _found(stage: Stage, volume: Volume, query: str) -> None:
    params = {"q": query, "limit": 5}
    page = stage.borrowers[0].asks("GET", "/books", params=params, tell=_titles)
    ids = [book["id"] for book in page["items"]]
    must(volume.id in ids, f"a search for {query!r} should find {volume.title!r}")


def _titles(page: Json) -> str:
    titles = "; ".join(str(book["title"]) for book in page["items"][:3])
    return f"{page['total']} found: {titles}"


def _telling_word(volume: Volume, told: Mapping[str, Json]) -> str:
    """A word frequent in what the library says of this book, and absent from the others."""
    elsewhere = {word for id_, one in told.items() if id_ != volume.id for word in _words(one)}
    said = {word.lower() for word in _WORD.findall(_said(volume.shown))}
    counts = Counter(w for w in _words(told[volume.id]) if w not in elsewhere | said)
    must(counts, f"the summary of {volume.title} has a word of its own")
    return counts.most_common(1)[0][0]


def _said(book: Json) -> str:
    return " ".join([book["title"], book["author"], book["description"] or "", *book["tags"]])


def _words(told: Json) -> list[str]:
    texts = [told["summary"], *(chapter["summary"] for chapter in told["chapters"])]
    return [word.lower() for text in texts for word in _WORD.findall(text or "")]


def _misspelt(title: str) -> str:
    """The title with a letter missing from its longest word."""
    longest = max(title.split(), key=len)
    middle = len(longest) // 2
    return title.replace(longest, longest[:middle] + longest[middle + 1 :], 1)

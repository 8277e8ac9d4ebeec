"""A book that nobody could read in an afternoon: the keeper's log, an entry a day.

It is put together from phrases, the same ones every time, so that the repository holds a
long book without holding its pages.
"""

import random
import re
from collections.abc import Mapping
from datetime import date, timedelta
from itertools import groupby

from demo.manuscript import Chapter, Manuscript

_FIRST, _LAST = date(1899, 1, 1), date(1904, 12, 31)
_SENTENCES = (
    "Wind {quarter}, {strength}, {turn} {hour}.",
    "{ship}, {rig} of {port}, {laden} {cargo}, {passed} {place} {crew}.",
    "{worked} the {part} with {stuff}, {manner}.",
    "{hour!c} {animal} {behaved} {place}, {comment}.",
    "{person!c} {sent} {gift} and {news}.",
)
_WORDS: Mapping[str, str] = {
    "quarter": "north-west|due north|easterly|westerly|south-east|variable|northerly|south",
    "strength": "light|half a gale|hardly felt|fresh|furious|stiff|squally|strong|wet|bitter",
    "turn": "backing|veering|calm|hardening|falling|freshening|worse|fair",
    "hour": "before noon|at four bells|in the dog watch|towards dusk|at first light"
    "|by lamplight|past midnight|with the ebb",
    "rig": "schooner|ketch|barque|mail packet|lugger|collier|brigantine|steam trawler",
    "ship": "Patience|Annie Rowe|Good Intent|Halcyon|Sea Campion|Three Brothers|Perseverance"
    "|Margit Olsen|Kittiwake|Lady of Fowey|Prudence|Wilhelmina",
    "port": "Bristol|Bergen|Saint Breward|Cardiff|Lisbon|Fowey|Antwerp|Penzance|Cork",
    "laden": "carrying|deep with|full of|light but for|smelling of|owing for|piled with",
    "cargo": "slate|Welsh coal|salted pilchards|china clay|oranges|pit props|mineral oil|barley"
    "|church bells|Baltic timber|roofing iron",
    "passed": "hailed me from|passed|rounded|grazed|missed|cleared|skirted|anchored off|lost",
    "crew": "singing|without a flag|in silence|all sails wet|with her boats out|homeward"
    "|by a hair|under tow|for luck|against advice|as if alone",
    "place": "the Manacle ledge|the lee of the Rock|the landing ladder|the seaward crack"
    "|the Gut|the outer buoy|Porthmellin bar|the bell frame|the oil store",
    "worked": "Scraped|Tarred|Scoured|Mended|Polished|Overhauled|Whitewashed|Greased",
    "part": "gallery rail|clockwork of the lens|davits|stove pipe|storm panes|signal halyards"
    "|water cistern|lantern glazing|boat cradle|stair, all hundred and four steps,",
    "stuff": "red lead|spirits and a rag|wood ash|a borrowed chisel|the last of the tallow"
    "|fish oil|boiled water|a song",
    "manner": "which took until dark|though my hands were numb|as the inspector is expected"
    "|and it wants doing again|to the scorn of the cat|for it cannot wait until spring",
    "animal": "a lame seal|some hundred starlings|a racing pigeon|two porpoises|one old gull"
    "|a swarm of moths|a great crab|a strange dog|nine cormorants",
    "behaved": "slept on|fought over|flew upon|circled|met at|would not leave|besieged|admired",
    "comment": "which is new|and I let it|as father foretold|so I sat up|and then it rained"
    "|to my delight|and left at noon|unasked|with much noise",
    "person": "Miss Vane|the relief boat|old Mrs. Pascoe|the vicar|young Jory|the harbour master",
    "sent": "rowed over with|promised me|forgot|sent across|traded two lobsters for",
    "gift": "a seed cake|old newspapers|a dented globe|wick and matches|a book on mosses"
    "|eleven onions|a strange letter|a new kettle|three candles|somebody's umbrella",
    "news": "told of a wedding|had no news|spoke of war|stayed for tea|asked about the silver"
    "|was seasick|blamed the herring|sang|lost an oar|would not sit down",
}
_SLOT = re.compile(r"\{(\w+)(!c)?\}")


def logbook() -> Manuscript:
    dice = random.Random("Gull Rock")
    days = (_FIRST + timedelta(n) for n in range((_LAST - _FIRST).days + 1))
    months = groupby(days, key=lambda day: f"{day:%B %Y}")
    return Manuscript(
        title="The Log of Gull Rock Light",
        author="Elias Crowe",
        language="en",
        year=1905,
        description="Six years of wind, oil and passing ships, one entry a day.",
        genres=("Diary",),
        tags=("lighthouse", "sea", "log"),
        chapters=tuple(
            Chapter(month, tuple(_entry(day, dice) for day in days)) for month, days in months
        ),
    )


def _entry(day: date, dice: random.Random) -> str:
    told = " ".join(_filled(sentence, dice) for sentence in _SENTENCES)
    return f"{day:%A}, the {day.day}. {told} Oil used: {dice.randint(9, 31)} pints."


def _filled(sentence: str, dice: random.Random) -> str:
    def word(slot: re.Match[str]) -> str:
        chosen = dice.choice(_WORDS[slot[1]].split("|"))
        return chosen[0].upper() + chosen[1:] if slot[2] else chosen

    return _SLOT.sub(word, sentence)

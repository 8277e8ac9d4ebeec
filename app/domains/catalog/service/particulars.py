"""The names and numbers of a text: what a summary may not invent.

A name is a capitalised word; scripts without capitals have none that could be told. Where
every noun has a capital, as in German, a strange word counts as a name only if it stands
as names do: without article, and not made of words of the source.
"""

import re
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from app.shared.figures import figures
from app.shared.languages import little_words
from app.shared.words import UNSPACED, WORD, folded

# Numbers below it, in words, are counts a summary may make by itself: "the two friends".
_COUNTED = 13
_INFLECTED = 4
# Letters and Roman numerals, not names.
_SHORT = 4
_ENDING, _CASE = 3, 2
_MID_SENTENCE = re.compile(r"[^\W\d_] ([^\W\d_])")
_NOUNS_CAPITAL, _ENOUGH = 0.14, 200
_OPENS = ".!?:…\"“”„»«‹›‘'’(—–-[*\n/;"
_ARTICLES = frozenset(
    """
    der die das den dem des ein eine einen einem einer eines kein keine keinen keinem
    keiner mein meine meinen meinem meiner meines dein deine sein seine seinen seinem
    seiner seines ihr ihre ihren ihrem ihrer ihres unser unsere unseren unserem unserer
    euer eure dieser diese dieses diesen diesem jener jene jenes jenen jenem jeder jede
    jedes jeden jedem im am zum zur vom beim ans aufs fürs durchs übers ums viele wenige
    einige alle mehrere manche zwei drei vier fünf sechs sieben acht neun zehn mit
    vor voll aus ohne viel wenig etwas nichts lauter
    """.split()
)
_ADJECTIVE_ENDINGS = ("e", "en", "em", "er", "es")
_PAST_ENDINGS = ("te", "ten")
_NOUN_ENDINGS = tuple("ung ungen heit heiten keit keiten schaft tion tät nis tum ling chen".split())
# What begins a sentence about anything, by language, beside the little words.
_OPENERS = {
    "en": """although after afterward afterwards because before both despite during due each
        either everybody everyone everything finally further furthermore however instead
        later many meanwhile moreover much neither nevertheless nonetheless once others
        outside overall perhaps several since some somebody someone soon still such then there
        therefore these those though through throughout thus together toward under unlike
        until upon when whenever whereas whether while within without yet according another
        any anyone anything as beyond every few here how just like most nobody nothing now
        often only our perhaps rather same should so sometimes sure three two four five what
        where why yes your unbeknownst alongside amid among besides between beneath""",
    "de": """als am auch aufgrund außerdem bald beide bevor da dabei dadurch dafür daher damals
        damit danach dann daraufhin darum dazu denn dennoch deshalb doch dort ebenso einige
        einmal endlich erst etwas ferner ganz gegen gemeinsam hier hinter immer indem infolge
        inzwischen jedoch jetzt kaum kurz letztlich manche mehrere nach nachdem neben nun ob
        obwohl ohne plötzlich schließlich schon seit seitdem selbst so sobald sogar somit später
        statt trotz trotzdem über überall um unter viele vielleicht von vor während wegen weil
        weiter wenn wer wie wieder wo zudem zuerst zuletzt zunächst zwar zwischen""",
    "fr": """ainsi alors après aucun aujourd aussi autour avant bien bientôt car cela cependant
        certains chaque chez contre davantage depuis derrière désormais dès donc durant enfin
        ensemble ensuite entre face finalement grâce hélas jamais jusqu lorsqu lorsque malgré
        même néanmoins parce parfois parmi pendant plusieurs pourtant pourquoi près puis puisque
        quand quant quelques rien sauf selon seul sinon soudain sous souvent toutefois toujours
        toute toutes vers voici voilà""",
    "es": """además ahora algunos algún allí ante antes así aunque ayer bajo cada casi cierto
        como contra cualquier cuando debido dentro después donde durante ella ellos entonces
        finalmente fuera gracias hacia hoy incluso jamás juntos luego mientras mucho muchos nada
        nadie nunca otra otro otros pese poco pronto pues quien quizá según siempre sino solo
        tal también tampoco tan todavía tras tres varios""",
    "it": """adesso alcuni allora anche ancora appena attraverso benché ciascuno contro dentro
        dopo dove dunque durante ecco eppure finalmente forse fra grazie infatti infine inoltre
        insieme intanto invece lungo mai malgrado mentre molti nessuno niente nonostante ogni
        oggi oltre ormai perciò però poi presto prima proprio qualche qualcuno quindi secondo
        sebbene sempre senza sopra sotto spesso tale tra tranne troppo tutta tutte tutti verso""",
    "pt": """agora ainda além alguns antes apesar após assim através cada certo como contra
        conforme depois desde devido durante embora enfim enquanto então entretanto finalmente
        hoje juntos logo mais muitos nada ninguém nunca onde outra outro outros pois porém porque
        portanto pouco qualquer quase segundo sempre sob sobre tal talvez todavia todos três""",
    "nl": """alle allen alleen als andere beide bovendien daarna daarom dankzij desondanks deze
        dezelfde doordat dus echter eerst eindelijk elk elke enkele ergens gedurende hierdoor
        hoewel iedere iedereen immers inmiddels integendeel intussen later meer misschien na
        nadat namelijk nauwelijks niemand niets ondanks onder ook pas plotseling sinds sommige
        steeds tegen tenslotte terwijl tijdens toch toen totdat tussen uiteindelijk vanaf vanwege
        veel verder vervolgens vlak volgens voordat vroeger waarom wanneer wegens zelfs zoals
        zodra zonder""",
}
_ENGLISH_OPENINGS = ("ly", "ing", "ed")
_TITLES = "mr mrs ms miss dr sir st lady lord herr frau monsieur madame mme mlle prof".split()


@dataclass(frozen=True, slots=True)
class Particular:
    """A name or a number as it stands in a text. `value`: of a number; `opening`: it begins
    a sentence, where any word has a capital; `named`: what follows says it is a name there;
    `bare`: no article before it."""

    text: str
    value: str | None = None
    opening: bool = False
    named: bool = False
    bare: bool = True


def particulars_of(text: str, start: int, end: int) -> Iterator[Particular]:
    """Those of one sentence of a text, each once, in order."""
    seen: set[str] = set()
    for particular in (*_numbers(text, start, end), *_names(text, start, end)):
        if particular.text not in seen:
            seen.add(particular.text)
            yield particular


class Particulars:
    """Which names and numbers the passages of a source have, and where."""

    def __init__(self, known: Iterable[str]) -> None:
        self._names: dict[str, array[int]] = {}
        self._common: set[str] = set()
        self._values: dict[str, array[int]] = {}
        self._known = {folded(word) for text in known for word in WORD.findall(text)}
        self._known.update(_TITLES)
        self._capitals = [0, 0]
        self._sorted: list[str] = []
        self._language: str | None = None

    def take_in(self, place: int, text: str, forms: Mapping[str, int]) -> None:
        for form in forms:
            word = folded(form)
            if form[0].isupper():
                _note(self._names, word, place)
            else:
                self._common.add(word)
        for _, _, value in figures(text):
            _note(self._values, value, place)
        if place % 8 == 0:
            initials = _MID_SENTENCE.findall(text)
            self._capitals[0] += sum(map(str.isupper, initials))
            self._capitals[1] += len(initials)

    def close(self, language: str | None) -> None:
        """Everything is taken in, and is in that language."""
        self._sorted = sorted(self._names)
        self._language = language

    def have(
        self, particular: Particular, places: Collection[int] | None, nearest: Collection[int]
    ) -> bool:
        """Whether the source, within those places, has it: a number near where the words of
        its sentence are."""
        if particular.value is not None:
            return self._have_number(particular, nearest)
        return self._have_name(particular, places)

    def _have_number(self, number: Particular, nearest: Collection[int]) -> bool:
        value = str(number.value)
        written = number.text[0].isdigit()
        if not written and value.isdigit() and int(value) < _COUNTED:
            return True
        return any(place in nearest for place in self._values.get(value, ()))

    def _have_name(self, name: Particular, places: Collection[int] | None) -> bool:
        word = folded(name.text)
        return (
            word in self._common
            or (name.text.isupper() and len(word) <= _SHORT)
            or any(_inflects(word, known) for known in self._known)
            or any(self._stands(form, places) for form in self._forms_of(word))
            or (name.opening and self._opens_sentences(word, name))
            or (self._nouns_have_capitals and self._is_noun(word, name))
        )

    def _opens_sentences(self, word: str, name: Particular) -> bool:
        if self._language not in _OPENERS:
            return not name.named or any(word in _openers(language) for language in _OPENERS)
        return word in _openers(self._language) or (
            self._language == "en" and len(word) > 5 and word.endswith(_ENGLISH_OPENINGS)
        )

    def _is_noun(self, word: str, name: Particular) -> bool:
        return (
            not name.bare
            or word.endswith(_NOUN_ENDINGS)
            or self._is_composed(word)
            or any(self._stands(form, None) for form in self._forms_of(word))
        )

    def _stands(self, form: str, places: Collection[int] | None) -> bool:
        where = self._names.get(form, ())
        return bool(where) if places is None else any(place in places for place in where)

    def _forms_of(self, word: str) -> Iterator[str]:
        """Names of the source of which the word is a form, or that are a form of it."""
        yield word
        shortest = max(_INFLECTED, len(word) - _ENDING)
        yield from (word[:cut] for cut in range(len(word) - 1, shortest - 1, -1))
        # Where names have cases the source may lack the first one.
        lost = 0 if self._language in _OPENERS else _CASE
        stem = word[: max(_INFLECTED + bool(lost), len(word) - lost)]
        if len(word) < _INFLECTED or word in self._names:
            return
        for place in range(bisect_left(self._sorted, stem), len(self._sorted)):
            form = self._sorted[place]
            if not form.startswith(stem):
                break
            if len(form) - len(stem) <= _CASE or (
                form.startswith(word) and len(form) - len(word) <= _ENDING
            ):
                yield form

    @property
    def _nouns_have_capitals(self) -> bool:
        upper, total = self._capitals
        if self._language or total < _ENOUGH:
            return self._language == "de"
        return upper > _NOUNS_CAPITAL * total

    def _is_composed(self, word: str) -> bool:
        return any(
            part in self._common or part in self._names
            for cut in range(4, len(word) - 3)
            for part in (word[:cut], word[cut:])
        )


def _note(where: "dict[str, array[int]]", key: str, place: int) -> None:
    places = where.setdefault(key, array("I"))
    if not places or places[-1] != place:
        places.append(place)


def _inflects(word: str, known: str) -> bool:
    short, long = sorted((word, known), key=len)
    if not long.startswith(short):
        return False
    return len(short) == len(long) or (
        len(short) >= _INFLECTED and len(long) - len(short) <= _ENDING
    )


@cache
def _openers(language: str) -> frozenset[str]:
    return frozenset(map(folded, (*_OPENERS[language].split(), *little_words(language))))


def _numbers(text: str, start: int, end: int) -> Iterator[Particular]:
    for first, last, value in figures(text, start, end):
        yield Particular(text[first:last], value)


def _names(text: str, start: int, end: int) -> Iterator[Particular]:
    before, earlier = "", ""
    for found in WORD.finditer(text, start, end):
        word = found[0]
        if word[0].isupper() and len(word) > 1 and not UNSPACED.search(word):
            yield Particular(
                word,
                opening=_opens(text, start, found.start()),
                named=_is_name_here(text, found.end()),
                bare=not _announces_noun(before, earlier),
            )
        before, earlier = word, before


def _opens(text: str, start: int, at: int) -> bool:
    before = text[start:at].rstrip(" \t\r\u00a0")
    return not before or before[-1] in _OPENS


def _is_name_here(text: str, end: int) -> bool:
    """Another capital or a possessive follows."""
    following = text[end : end + 2]
    return following in ("'s", "’s") or (following[:1] == " " and following[1:].isupper())


def _announces_noun(before: str, earlier: str) -> bool:
    """Whether it is an article, a German adjective or a genitive; "sagte Gregor" is none."""
    word = before.lower()
    if word in _ARTICLES or (before[:1].isupper() and len(word) > 4 and word.endswith("s")):
        return True
    adjective = len(word) > 4 and before == word and word.endswith(_ADJECTIVE_ENDINGS)
    if not adjective or folded(word) in _openers("de"):
        return False
    return not word.endswith(_PAST_ENDINGS) or earlier.lower() in _ARTICLES

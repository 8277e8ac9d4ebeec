"""Which script a text is in, and which of the commoner written languages, by its little words."""

import re
from collections import Counter
from functools import cache

from app.shared.words import WORD

_LITTLE_WORDS = {
    "en": """the of and a i to in that was he his it with is for as had you not be her on at by
        which have or from this him but all she they were my are me one their so an said them we who
        would been will no when there if more out up into your what has could other than its""",
    "de": """der die und in zu den das nicht von sie ist des sich mit dem dass daß er es ein ich
        auf so eine auch als an nach wie im für man aber aus durch wenn nur war noch werden bei
        hat wir was wird sein einen welche sind oder zur um haben einer mir über ihm diese einem
        ihr uns da zum kann doch vor dieser mich ihn du hatte seine mehr am denn nun""",
    "fr": """de la le et les des en un du une que est pour qui dans par plus pas au sur ne se ce il
        sont avec son il elle mais comme ou si leur y dont tout nous sa fait été aussi même cette
        lui ont ces était je vous deux où bien sans ses être à d l qu n s c j""",
    "es": """de la que el en y a los se del las un por con no una su para es al lo como más o pero
        sus le ha me si sin sobre este ya entre cuando todo esta ser son dos también fue había era
        muy años hasta desde está mi porque qué sólo yo hay vez puede todos así nos ni""",
    "it": """di e che il la in un a per è una sono non con si da come le dei nel alla più anche del
        ma lo gli della i al ha era mi se ne su suo ci o io questo delle cui due aveva tutto dal
        lui sua quando così loro suoi nella solo perché dopo essere stato ed""",
    "pt": """de a o que e do da em um para com não uma os no se na por mais as dos como mas ao ele
        das à seu sua ou quando muito nos já eu também só pelo pela até isso ela entre depois sem
        mesmo aos seus quem nas me esse eles você essa num nem suas meu às minha numa era""",
    "nl": """de en van ik te dat die in een hij het niet zijn is was op aan met als voor had er
        maar om hem dan zou of wat mijn men dit zo door over ze zich bij ook tot je mij uit der
        daar haar naar heb hoe heeft hebben deze u want nog zal me zij nu ge geen omdat iets""",
    "sv": """och i att det som en på är av för med till den har de inte om ett han men var jag sig
        från vi så kan man när år eller under också efter nu sin där vid mot skulle hade hon ut
        bara vara alla mycket då ska här får kommer sedan honom henne""",
    "da": """og i at det er en til på som med for der den af ikke han de et har jeg var men sig fra
        vi så kan man om når eller efter nu sin hvor ved mod skulle havde hun ud blev være alle
        meget da her hvad også ham hende hans op under""",
    "fi": """ja on ei se että hän oli en mutta kun niin kuin ovat minä mitä sen jos hänen ole nyt
        vain joka sitten olen tai jo mikä hänet siitä mukaan myös kanssa sitä tämä ne olisi""",
    "hu": """a az és hogy nem is egy volt ez meg de csak van azt mint már ki el vagy még ha olyan
        aki nagy minden most mit én ő fel le mert majd sem amely így ezt akkor után lesz itt kell
        lehet pedig azért által sok arra""",
    "pl": """i w się na nie z do to że jest o jak a po co tak za od już ale go jego był przez by
        było ze tym tego dla czy jej jako ich była jeszcze tylko może też gdy sobie ten ja mi kiedy
        pan który które która bardzo przed nad""",
    "cs": """a se v na je že o s z do to i za by pro jsem ve k si tak ale jak po jako není jsou
        byl který od ze bylo nebo co už jeho která byla které aby než když také jen před mu""",
    "ro": """de și în a la nu că o cu pe se un mai din ce care este să pentru era îi ca lui am au
        fost sunt fi ei dar le sau al prin el ea după fără când acest această""",
    "tr": """ve bir bu da de için ile çok ne gibi daha olarak o var ama kadar ben en sonra her
        olan değil mi diye şey şu ki ya onun olduğunu beni bana sen kendi oldu""",
    "ru": """и в не на что я с он как а то это по все она но так его к из у за вы же бы от мы для
        было был мне о ее их только да еще когда если или ни мой меня вот уже под себя кто ли""",
    "uk": """і в не на що я з він як а то це по все вона але так його до із у за ви же би від ми
        для було був мені про її їх тільки та ще коли якщо або ні мій мене вже під себе хто""",
}
_SCRIPTS = {
    "latin": r"A-Za-z\u00aa-\u024f\u1e00-\u1eff",
    "greek": r"\u0370-\u03ff\u1f00-\u1fff",
    "cyrillic": r"\u0400-\u052f",
    "armenian": r"\u0530-\u058f",
    "hebrew": r"\u0590-\u05ff",
    "arabic": r"\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff",
    "indian": r"\u0900-\u0dff",
    "thai": r"\u0e00-\u0eff",
    "georgian": r"\u10a0-\u10ff",
    "korean": r"\u1100-\u11ff\uac00-\ud7af",
    "chinese or japanese": r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff",
}
_OF_SCRIPT = {name: re.compile(f"[{letters}]") for name, letters in _SCRIPTS.items()}
_FEWEST_LETTERS = 16
_MOST_LETTERS = 0.75
_ENOUGH = 20
_SHARE = 0.16
_LEAD = 1.5


def script_of(text: str) -> str | None:
    """The script most letters of the text are in, where there is no doubt."""
    letters = sum(map(str.isalpha, text))
    counts = {name: len(letter.findall(text)) for name, letter in _OF_SCRIPT.items()}
    first = max(counts, key=counts.__getitem__)
    sure = letters >= _FEWEST_LETTERS and counts[first] >= _MOST_LETTERS * letters
    return first if sure else None


def language_of(text: str) -> str | None:
    """The ISO 639-1 code of the language, where twenty words or more leave no doubt."""
    words = [word.lower() for word in WORD.findall(text)]
    if len(words) < _ENOUGH:
        return None
    users = _users()
    found = Counter(name for word in words for name in users.get(word, ()))
    (first, most), (_, next_most) = (*found.most_common(2), ("", 0), ("", 0))[:2]
    sure = most >= _SHARE * len(words) and most >= _LEAD * next_most
    return first if sure else None


@cache
def _users() -> dict[str, list[str]]:
    """The languages of each little word."""
    users: dict[str, list[str]] = {}
    for language in _LITTLE_WORDS:
        for word in little_words(language):
            users.setdefault(word, []).append(language)
    return users


@cache
def little_words(language: str) -> frozenset[str]:
    """The commonest words of the language, in lower case; none of a language not listed."""
    return frozenset(_LITTLE_WORDS.get(language, "").split())

"""Our own words for what is counted, in the languages we can answer in."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domains.reviews.model import Aspect, AspectCount, Polarity


@dataclass(frozen=True, slots=True)
class Phrases:
    """How one language says it. `stars` and `stances` (positive, negative, mixed) have a form
    for one reader and one for several; `aspects` are named as they stand in a stance; `point`
    parts decimals; `most` begins words that claim a majority."""

    language: str
    stars: tuple[str, str]
    stances: tuple[tuple[str, str], tuple[str, str], tuple[str, str]]
    further: tuple[str, str, str]
    joined: str
    aspects: Mapping[Aspect, str]
    topic: str
    point: str
    most: str

    def aspect(self, count: AspectCount) -> str:
        if count.is_free:
            return self.topic.format(count.name)
        return self.aspects[Aspect(count.aspect)]

    def number(self, value: float) -> str:
        return f"{value:.1f}".replace(".", self.point)

    def stance(self, polarity: Polarity, *, several: bool) -> str:
        return self.stances[list(Polarity).index(polarity)][several]

    def another(self, polarity: Polarity) -> str:
        return self.further[list(Polarity).index(polarity)]


def _named(names: str) -> Mapping[Aspect, str]:
    return dict(zip(Aspect, names.split("|"), strict=True))


_ENGLISH = Phrases(
    language="English",
    stars=(
        "{n} reader gives {average} of 5 stars on average.",
        "{n} readers give {average} of 5 stars on average.",
    ),
    stances=(
        ("{n} of {all} {readers} praises {what}", "{n} of {all} readers praise {what}"),
        ("{n} of {all} {readers} criticises {what}", "{n} of {all} readers criticise {what}"),
        (
            "{n} of {all} {readers} is of two minds about {what}",
            "{n} of {all} readers are of two minds about {what}",
        ),
    ),
    further=("{n} {what}", "{n} {what}", "{n} about {what}"),
    joined=" and ",
    aspects=_named(
        "the plot|the characters|the writing|the pacing|the ending|the setting|the dialogue"
        "|the ideas|the research|the humour|the emotion|the length|this edition"
    ),
    topic="“{}”",
    point=".",
    most=r"\b(?:most|all|every\w*|nearly all|almost all|the majority|nobody|no one)\b",
)
_GERMAN = Phrases(
    language="German",
    stars=(
        "{n} Bewertung ergibt im Schnitt {average} von 5 Sternen.",
        "{n} Bewertungen ergeben im Schnitt {average} von 5 Sternen.",
    ),
    stances=(
        ("{n} von {all} Lesenden lobt {what}", "{n} von {all} Lesenden loben {what}"),
        ("{n} von {all} Lesenden bemängelt {what}", "{n} von {all} Lesenden bemängeln {what}"),
        (
            "{n} von {all} Lesenden äußert sich gemischt über {what}",
            "{n} von {all} Lesenden äußern sich gemischt über {what}",
        ),
    ),
    further=("{n} {what}", "{n} {what}", "{n} über {what}"),
    joined=" und ",
    aspects=_named(
        "die Handlung|die Figuren|den Stil|das Tempo|das Ende|den Schauplatz|die Dialoge"
        "|die Ideen|die Recherche|den Humor|die Gefühle|die Länge|diese Ausgabe"
    ),
    topic="„{}“",
    point=",",
    most=r"\b(?:die meisten|alle|jede[rs]?|fast alle|die mehrheit|niemand)\b",
)
_FRENCH = Phrases(
    language="French",
    stars=(
        "{n} lecteur donne en moyenne {average} étoiles sur 5.",
        "{n} lecteurs donnent en moyenne {average} étoiles sur 5.",
    ),
    stances=(
        ("{n} lecteur sur {all} salue {what}", "{n} lecteurs sur {all} saluent {what}"),
        ("{n} lecteur sur {all} critique {what}", "{n} lecteurs sur {all} critiquent {what}"),
        (
            "{n} lecteur sur {all} est partagé sur {what}",
            "{n} lecteurs sur {all} sont partagés sur {what}",
        ),
    ),
    further=("{n} {what}", "{n} {what}", "{n} sur {what}"),
    joined=" et ",
    aspects=_named(
        "l’intrigue|les personnages|le style|le rythme|la fin|le décor|les dialogues|les idées"
        "|la documentation|l’humour|l’émotion|la longueur|cette édition"
    ),
    topic="« {} »",
    point=",",
    most=r"\b(?:la plupart|tous|toutes|chaque|presque tous|la majorité|personne)\b",
)
_SPANISH = Phrases(
    language="Spanish",
    stars=(
        "{n} lector da de media {average} de 5 estrellas.",
        "{n} lectores dan de media {average} de 5 estrellas.",
    ),
    stances=(
        ("{n} de {all} {readers} elogia {what}", "{n} de {all} lectores elogian {what}"),
        ("{n} de {all} {readers} critica {what}", "{n} de {all} lectores critican {what}"),
        (
            "{n} de {all} {readers} tiene una opinión dividida sobre {what}",
            "{n} de {all} lectores tienen una opinión dividida sobre {what}",
        ),
    ),
    further=("{n} {what}", "{n} {what}", "{n} sobre {what}"),
    joined=" y ",
    aspects=_named(
        "la trama|los personajes|la prosa|el ritmo|el final|la ambientación|los diálogos"
        "|las ideas|la documentación|el humor|la emoción|la extensión|esta edición"
    ),
    topic="«{}»",
    point=",",
    most=r"\b(?:la mayoría|todos|todas|cada|casi todos|nadie)\b",
)
_HUNGARIAN = Phrases(
    language="Hungarian",
    stars=("{n} olvasó átlaga 5-ből {average} csillag.",) * 2,
    stances=(
        ("{all} olvasóból {n} dicséri {what}",) * 2,
        ("{all} olvasóból {n} bírálja {what}",) * 2,
        ("{all} olvasóból {n} vegyesen ítéli meg {what}",) * 2,
    ),
    further=("{n} {what}",) * 3,
    joined=" és ",
    aspects=_named(
        "a cselekményt|a szereplőket|a stílust|a tempót|a befejezést|a helyszínt|a párbeszédeket"
        "|a gondolatokat|a kutatómunkát|a humort|az érzelmeket|a terjedelmet|ezt a kiadást"
    ),
    topic="ezt: „{}”",
    point=",",
    most=r"\b(?:a legtöbb\w*|minden\w*|mindenki|szinte minden\w*|a többség\w*|senki)\b",
)
_KNOWN = {"en": _ENGLISH, "de": _GERMAN, "fr": _FRENCH, "es": _SPANISH, "hu": _HUNGARIAN}
_ONE_OF = {"English": ("reader", "readers"), "Spanish": ("lector", "lectores")}


def phrases_for(language: str | None) -> Phrases:
    """The words of the language; English where we have none."""
    return _KNOWN.get(language or "en", _ENGLISH)


def readers_of(phrases: Phrases, count: int) -> str:
    """`1 of 1 reader`, `1 of 20 readers`."""
    one, several = _ONE_OF.get(phrases.language, ("", ""))
    return one if count == 1 else several

"""What our list of aspects is called elsewhere."""

from collections.abc import Mapping
from enum import StrEnum


class Aspect(StrEnum):
    PLOT = "plot"
    CHARACTERS = "characters"
    PROSE = "prose"
    PACING = "pacing"
    ENDING = "ending"
    SETTING = "setting"
    DIALOGUE = "dialogue"
    IDEAS = "ideas"
    RESEARCH = "research"
    HUMOUR = "humour"
    EMOTION = "emotion"
    LENGTH = "length"
    EDITION = "edition"


_SYNONYMS = {
    Aspect.PLOT: "plot story storyline twist handlung geschichte intrigue histoire trama "
    "argumento cselekmény történet",
    Aspect.CHARACTERS: "character protagonist hero heroine villain cast figur charakter "
    "personnage personaje protagonista szereplő karakter",
    Aspect.PROSE: "prose writing style language stil sprache schreibstil écriture style prosa "
    "estilo stílus nyelvezet",
    Aspect.PACING: "pacing pace speed tempo rhythm slowness tension spannung rythme ritmo iram",
    Aspect.ENDING: "ending finale conclusion end ende schluss fin final desenlace befejezés",
    Aspect.SETTING: "setting atmosphere world worldbuilding schauplatz atmosphäre décor cadre "
    "ambientación helyszín hangulat",
    Aspect.DIALOGUE: "dialogue dialog conversation dialogues diálogo párbeszéd",
    Aspect.IDEAS: "ideas theme message idee thema thème idée mensaje gondolat",
    Aspect.RESEARCH: "research accuracy facts recherche fakten documentation documentación kutatás",
    Aspect.HUMOUR: "humour humor wit comedy fun witz humor humour gracia",
    Aspect.EMOTION: "emotion feeling gefühl émotion emoción érzelem",
    Aspect.LENGTH: "length longueur länge extensión hossz",
    Aspect.EDITION: "edition translation cover binding print typo ausgabe übersetzung einband "
    "édition traduction couverture edición traducción portada kiadás fordítás borító",
}
SYNONYMS: Mapping[Aspect, tuple[str, ...]] = {
    aspect: tuple(words.split()) for aspect, words in _SYNONYMS.items()
}

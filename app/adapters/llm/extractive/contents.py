"""What a reader may want to be warned of, told by words that hardly ever mean another thing.

A word ending in `*` stands for everything that begins so. English, with the basics of German,
French and Spanish; in other languages nothing is found.
"""

from collections import Counter
from collections.abc import Mapping

from app.adapters.llm.extractive.lexicon import pattern_of
from app.adapters.llm.extractive.words import tokens

_FEWEST = 2
# One such word in so many: below that it is mentioned, not what the book is of.
_ONE_IN = 800

_WORDS: Mapping[str, str] = {
    "abuse": (
        "abus* molest* mistreat* whipped whipping flogg* beaten beatings slavery slave slaves "
        "missbrauch* misshandel* maltrait* esclav* maltrat*"
    ),
    "death": (
        "death deaths died dies dying dead corpse* funeral* burial buried coffin* grave graves "
        "killed drowned tod tode starb gestorben leiche* begräbnis mort morts mourut cadavre* "
        "enterrement muerte muertes murió cadáver* entierro"
    ),
    "drugs": (
        "drug drugs drugged opium heroin cocaine morphine addict* overdose* junkie* drogen "
        "rauschgift drogue* droga drogas"
    ),
    "hatred": (
        "racis* antisemit* bigot* lynch* xenophob* homophob* nigger* pogrom* rassis* racist* "
        "antisémit* judenhass"
    ),
    "self-harm": (
        "suicide suicides suicidal selbstmord* suizid* suicida* self-harm hanged-himself"
    ),
    "sex": (
        "sexual sexually rape raped rapes rapist* prostitut* brothel* seduc* adulter* naked "
        "incest* vergewaltig* ehebruch* viol violée adultère prostíbulo adulterio"
    ),
    "violence": (
        "murder* stabbed stabbing strangl* slaughter* massacre* tortur* assault* bloodshed "
        "bleeding bloody wounded kill killed killing kills beheaded executed execution mord "
        "ermordet* erstochen töten tötete meurtr* assassin* tué tuer blessé asesin* matar mató "
        "herido sangre"
    ),
    "war": (
        "war wars battle battles battlefield* soldier soldiers army armies regiment* cannon* "
        "troops invasion siege krieg* schlacht* soldat* guerre* bataille* armée* guerra* batalla* "
        "soldado* ejército*"
    ),
}


def warnings_in(text: str) -> list[str]:
    """The warnings a text earns, by name, the weightiest first."""
    words = Counter(tokens(text))
    enough = max(_FEWEST, words.total() / _ONE_IN)
    found = {
        name: sum(n for word, n in words.items() if pattern.match(word))
        for name, pattern in _PATTERNS.items()
    }
    earned = [name for name, n in found.items() if n >= enough]
    return sorted(earned, key=lambda name: (-found[name], name))


_PATTERNS = {name: pattern_of(words.split()) for name, words in _WORDS.items()}

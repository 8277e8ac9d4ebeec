"""What readers' words say: which aspect of a book, and whether they like it.

A word ending in `*` stands for everything that begins so. English mainly, with the basics
of German, French and Spanish.
"""

import re
from collections.abc import Iterable, Mapping

_ASPECTS: Mapping[str, str] = {
    "plot": (
        "plot* story storyline* stories narrative* twist* tale handlung* geschichte* intrigue "
        "histoire trama historia argumento mystery subplot* premise storytelling"
    ),
    "characters": (
        "character* protagonist* hero heroine heroes villain* figur* charakter* hauptfigur* "
        "personnage* personaje* narrator cast people"
    ),
    "prose": (
        "prose writing writ* written style language sentence* stil sprache schreibstil "
        "geschrieben écriture style plume prosa escritura estilo author's poetic lyrical wordy"
    ),
    "pacing": (
        "pace* pacing slow* fast-paced drag* dull tedious boring bored page-turner gripping "
        "riveting tempo langatmig* langweilig* spannend* rythme lent* ennuyeu* captivant* ritmo "
        "lent* aburrid* repetitive plodding unputdownable"
    ),
    "ending": ("ending* end conclusion finale climax ende schluss fin dénouement final desenlace"),
    "setting": (
        "setting* world world-building worldbuilding atmosphere atmospher* place landscape "
        "schauplatz atmosphäre décor cadre ambientación ambiente location* scenery"
    ),
    "dialogue": "dialog* conversation* dialoge* dialogue* diálogo* banter",
    "ideas": (
        "idea* theme* message philosoph* thought-provoking insight* concept* argument* ideen "
        "idée* ideas mensaje lesson* topic* thesis perspective*"
    ),
    "research": (
        "research* fact* historical accura* inaccura* detail* well-researched sources recherch* "
        "documenté* documentad* information informative examples evidence references"
    ),
    "humour": (
        "humor* humour* funny fun hilarious laugh* witty wit joke* witzig* lustig* drôle* "
        "humoristi* gracios* divertid* comic*"
    ),
    "emotion": (
        "emotion* moving cried cry tears touching heartbreaking heartwarming heart feelings sad "
        "bewegend* berührend* gefühl* émou* émotion* emocion* conmoved* poignant"
    ),
    "length": (
        "length* long short pages chapters overlong lang kurz long* longueur* larg* page-count "
        "thick brief"
    ),
    "edition": (
        "edition* translation* translat* cover binding paper print* kindle formatting typo* "
        "illustration* übersetz* ausgabe* traduction* traducción edición index photos map maps"
    ),
}

_POSITIVE = """
love loved loves lovely liked enjoy* great good wonderful* excellent* brilliant* beautiful* best
amazing* fantastic* superb* perfect* fascinating* gripping riveting captivat* engag* compelling
delight* charming well well-written well-researched rich vivid* memorable recommend* impress*
strong masterful* masterpiece terrific fun funny hilarious witty moving touching believable
interesting clever* fresh original satisfying thought-provoking insight* page-turner
unputdownable poignant lyrical poetic helpful useful clear* easy outstanding superior favorite
favourite real* lifelike informative accurate heartwarming gem must-read praise* glad pleas*
smooth* haunting stunning liebe liebte gut gute guter gutes toll* wunderbar* großartig* schön*
spannend* hervorragend* empfehl* bewegend* berührend* lustig* witzig* gelungen* überzeug* aimé
adoré adore bon bonne excellent* magnifique* superbe* beau belle merveilleu* captivant*
passionnant* touchant* drôle* réussi* recommand* encant* gustó gusta bueno buena excelente*
maravillos* hermos* magnífic* fascinante* divertid* recomiend* conmovedor* genial*
"""

_NEGATIVE = """
bad badly boring bored dull tedious poor poorly terrible* awful* horrible* worst worse
disappoint* hate* dislike* waste* weak* flat shallow predictable confus* annoy* slow* drag*
dragged plodding unbelievable unconvincing unrealistic cliche* cliché* clichéd stilted clumsy
repetitive pointless rushed forced contrived wooden overlong overrated mess messy lacking lacks
lack fail* failed ridiculous stupid silly irritat* unlikable unlikeable inaccura* inaccurate
typo* error* mistake* incomplete trite superficial pretentious wordy rambl* skip* unfinished
abrupt* thin cardboard one-dimensional outdated sorry unfortunately
useless biased disjointed convoluted schlecht* langweilig* langatmig* enttäusch* flach*
vorhersehbar* schwach* verwirrend* nervig* mauvais* ennuyeu* décev* déçu* plat plate prévisible*
lent lente faible* confus* malo mala aburrid* decepcion* previsible* flojo floja lento lenta
pésim* confus*
"""

NEGATIONS = frozenset(
    """
    not no never hardly barely without nothing neither nor isn't wasn't aren't weren't don't
    didn't  doesn't can't couldn't won't wouldn't nicht kein keine nie ne pas jamais sin
    nunca ni
    """.split()
)
TURNS = frozenset(
    "but however although though yet while except aber jedoch obwohl mais cependant "
    "pero aunque sino".split()
)


def _pattern(words: Iterable[str]) -> re.Pattern[str]:
    stems = (re.escape(w.rstrip("*")) + (r"[\w-]*" if w.endswith("*") else "") for w in set(words))
    return re.compile("(?:" + "|".join(sorted(stems, key=len, reverse=True)) + r")\Z")


ASPECTS: Mapping[str, re.Pattern[str]] = {name: _pattern(w.split()) for name, w in _ASPECTS.items()}
POSITIVE = _pattern(_POSITIVE.split())
NEGATIVE = _pattern(_NEGATIVE.split())

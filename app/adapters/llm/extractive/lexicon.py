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
great loved loves lovely enjoyed enjoying enjoyable enjoyment wonderful* excellent* brilliant*
beautiful* best amazing amazed amazingly fantastic* superb* perfect* fascinat* gripping riveting
captivat* engaging engross* absorbing compelling delight* charming well-written well-researched
well-crafted well-drawn well-paced vivid* memorable unforgettable recommend recommended
recommending recommends impressive impressed masterful* masterly masterpiece terrific hilarious
witty moving touching poignant believable clever* satisfying thought-provoking insightful
page-turner unputdownable lyrical poetic outstanding superior favorite* favourite* lifelike
informative heartwarming gem must-read pleasure pleased smooth* haunting stunning gorgeous awesome
extraordinary handy comprehensive accessible essential invaluable profound incredible elegant*
exquisite addictive hooked refreshing enlighten* inspiring inspired inspirational thrilling
exciting phenomenal exceptional flawless* sublime suspenseful thorough timeless treat relatable
nuanced glad adore adored breathtaking fabulous marvelous marvellous splendid top-notch
couldn't-put-down fast-paced laugh-out-loud praise* liebe liebte toll* wunderbar* großartig*
schön* spannend* hervorragend* empfehl* bewegend* berührend* lustig* witzig* gelungen* überzeug*
lesenswert* aimé adoré magnifique* superbe* merveilleu* captivant* passionnant* touchant* drôle*
réussi* recommand* encant* gustó excelente* maravillos* hermos* magnífic* fascinante* divertid*
recomiend* conmovedor* genial*
"""

_MILDLY_POSITIVE = """
love good liked enjoy well rich strong fun funny interesting fresh original helpful useful clear
clearly easy realistic accurate nice classic insight* gut gute guter gutes bon bonne beau belle
bueno buena gusta
"""

_NEGATIVE = """
bad badly boring bored dull tedious poor poorly terribl* awful* horribl* horrid worst worse
disappoint* hate hated dislike* waste wasted wasting weak* flat shallow predictable annoying
annoyed annoys slow slowly drag* dragged plodding plodded unbelievable unconvincing unrealistic
cliche* cliché* clichéd stilted clumsy repetitive repetitious repetition pointless rushed forced
contrived wooden overlong overrated overhyped overpriced overwritten overdone mess messy lacking
lacks lack lacked fails failed failure ridiculous* stupid silly irritat* unlikable unlikeable
inaccura* inaccurate typo typos errors mistakes incomplete trite superficial pretentious wordy
rambl* unfinished abrupt* cardboard one-dimensional two-dimensional outdated dated unfortunately
sadly useless biased disjointed convoluted garbage trash junk crap rubbish drivel nonsense
pathetic absurd* lazy embarrass* frustrat* fluff avoid shame underwhelm* unimpress* uninspir*
uninterest* unreadable mediocre lame tiresome tiring bland stale generic formulaic implausible
far-fetched preposterous laughable nauseat* offensive preachy condescending smug self-indulgent
self-serving sloppy amateur* incoherent incomprehensible unclear vague* meander* mind-numbing
forgettable regret* refund yawn* unnecessar* excessive* incorrect* misleading misled endless*
gratuitous unsatisf* unsympathetic unengaging unoriginal undeveloped underdeveloped jumbled choppy
cheesy corny sappy insult* dreary worthless simplistic dreadful* atrocious abysmal appalling
disgust* distasteful redundant rehash* monoton* lifeless unfunny inconsisten* flaw flaws flawed
confus* padded filler hype hyped laborious* bogged slog tortuous unbearabl* insufferable hollow
muddled half-baked sophomoric juvenile painful* bother bothered skipping skimming skimmed skipped
schlecht* langweilig* langatmig* enttäusch* flach* vorhersehbar* schwach* verwirrend* nervig*
mauvais* ennuyeu* décev* déçu* plat plate prévisible* lent lente faible* malo mala aburrid*
decepcion* previsible* flojo floja lento lenta pésim*
"""

_MILDLY_NEGATIVE = """
sorry thin wrong false skip fault faults complain* mistake error nowhere supposedly trivial barely
okay ok suppose* guess instead
"""

NEGATIONS = frozenset(
    """
    not no never hardly barely without nothing neither nor isn't wasn't aren't weren't don't
    didn't doesn't can't cannot couldn't won't wouldn't isnt wasnt dont didnt doesnt cant couldnt
    lack lacks lacked lacking none nobody ain't haven't hasn't hadn't nicht kein keine keinen ne
    pas jamais sin nunca ni
    """.split()
)
# What was hoped for, or might have been, was not there.
UNREAL = frozenset(
    """
    should've could've would've expected expecting expect hoped hoping wanted supposed promised
    promises tried tries trying attempt attempts attempted pretends claims only wish wished
    unless hätte wäre aurait aurais hubiera habría
    """.split()
)
TURNS = re.compile(
    r"\b(?:but|however|although|though|yet|while|except|aber|jedoch|obwohl|mais|cependant|pero|"
    r"aunque|sino)\b|[,;]"
)
# Words of liking and blame in what says neither.
HARMLESS = re.compile(
    r"\b(?:love (?:story|stories|affair|interest|life|scenes?|triangle)|in love|good (?:and|vs|or) "
    r"(?:evil|bad)|as well(?: as)?|well[- ]known|(?:good|great) (?:deal|many|number|bit|part)|"
    r"real (?:life|world|estate|people)|best[- ]?sell\w*|great (?:britain|war|depression)|"
    r"not (?:only|just|merely)|nothing (?:less|short) (?:than|of)|(?:at|in|by) the end|"
    r"end(?:ed|s)? up|slow down|self[- ]help|poor (?:man|woman|people|family|girl|boy)|"
    r"no (?:wonder|doubt|problem)|bad guys?|good guys?|for good|so[- ]called)\b"
)
# Liked or blamed in so many words, without a word for it.
LIKED = re.compile(
    r"(?:can't|cannot|couldn't|can not|could not|hard to) (?:put|stop)|kept me (?:up|reading|"
    r"guessing|on)|well worth|worth (?:reading|every|it)|at its best|must (?:have|read)"
)
BLAMED = re.compile(
    r"not worth|gave up|give up on|waste of|don't (?:bother|buy|waste)|"
    r"do not (?:bother|buy|waste)|save your|"
    r"(?:could|couldn't|can't|didn't|not|never) (?:even )?finish|"
    r"(?:would|could|should|might) (?:\w+ )?have (?:been|liked|preferred|used|done)|better off|"
    r"(?:much|far|many) better (?:books?|than|ones)|there are better|left me cold|"
    r"(?:didn't|don't|couldn't|not) care|fell (?:flat|short)|falls? (?:flat|short)|out of date|"
    r"makes? no sense|no (?:plot|point|story|depth|substance|character|idea|redeeming)|"
    r"(?:hard|difficult|impossible) to (?:follow|believe|read|get|understand|finish|care)|"
    r"anything but|nothing (?:new|more|but)|fall asleep|fell asleep|to sleep"
)


def pattern_of(words: Iterable[str]) -> re.Pattern[str]:
    stems = (re.escape(w.rstrip("*")) + (r"[\w-]*" if w.endswith("*") else "") for w in set(words))
    return re.compile("(?:" + "|".join(sorted(stems, key=len, reverse=True)) + r")\Z")


ASPECTS: Mapping[str, re.Pattern[str]] = {
    name: pattern_of(w.split()) for name, w in _ASPECTS.items()
}
POSITIVE, MILDLY_POSITIVE = pattern_of(_POSITIVE.split()), pattern_of(_MILDLY_POSITIVE.split())
NEGATIVE, MILDLY_NEGATIVE = pattern_of(_NEGATIVE.split()), pattern_of(_MILDLY_NEGATIVE.split())

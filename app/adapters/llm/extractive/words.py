"""Words of a text in any script, and the little words of a few languages that carry nothing."""

import re

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_IDEOGRAPHIC = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]")
_LONGEST_WORD = 40

STOPWORDS = frozenset(
    """
    a about above after again against all almost also although always am among an and another any
    are aren't as at away back be became because been before began being below between both but by
    came can can't cannot come could couldn't did didn't do does doesn't doing don't done down
    during each either else enough even ever every few first for from further gave get give go
    going gone good got great had hadn't has hasn't have haven't having he he's her here hers
    herself him himself his how however i i'll i'm i've if in indeed instead into is isn't it it's
    its itself just know last least less let like little long look looked made make man many may
    me men might mine more most much must my myself near never no nor not nothing now of off often
    oh old on once one only or other others our ours out over own part perhaps put quite rather
    round said same saw say says see seem seemed seems seen set shall she should since so some
    something soon still such take tell than that that's the their theirs them themselves then
    there these they they're thing things this those though thought three through thus till time to
    together told too took toward towards two under until up upon us used very was wasn't way we
    well went were weren't what whatever when where whether which while who whole whom whose why
    will with within without won't would wouldn't yes yet you you're your yours yourself new day
    der die das den dem des ein eine einen einem einer eines und oder aber nicht kein keine ist war
    waren sind sein seine seinen seiner ihr ihre ihren ihrer er sie es ich wir uns mir mich sich
    man zu zum zur mit von vom im am auf aus bei bis durch für gegen nach ohne über um unter vor
    als wie wenn dass daß weil denn doch noch nur schon auch so sehr hatte hatten hat haben wird
    wurde werden worden wäre kann konnte könnte muß muss sollte wollte da dann hier jetzt mehr
    immer wieder etwas nichts alle alles was wer wo ganz ja nein
    le la les un une des du de et ou mais ne pas plus que qui quoi dont où ce cet cette ces il elle
    ils elles je tu nous vous on se sa son ses leur leurs mon ma mes ton ta au aux en dans par pour
    sur sous avec sans est était étaient être été avait avaient avoir fut fit si comme tout tous
    toute toutes bien très même aussi puis alors deux lui y là c'est
    el los las uno una unos unas del al y o pero no ni que quien cual como cuando donde por para
    con sin sobre entre su sus mi mis tu lo le les se me te nos es era eran son ser fue fueron
    había haber ha han muy más ya si sí también tan todo toda todos todas este esta estos estas ese
    esa esto eso aquel aquella porque
    """.split()
)


def tokens(text: str) -> list[str]:
    """Lower-case words; scripts without spaces as pairs of characters."""
    if text.isascii():
        return _WORD.findall(text.lower())
    found: list[str] = []
    for word in _WORD.findall(text.lower().replace("’", "'")):
        if _IDEOGRAPHIC.search(word):
            found.extend(word[i : i + 2] for i in range(max(1, len(word) - 1)))
        else:
            found.append(word)
    return found


def content_words(text: str) -> list[str]:
    """Tokens that can carry a subject: no stopwords, no single letters, no endless strings."""
    return [t for t in tokens(text) if is_content(t)]


def is_content(token: str) -> bool:
    return 1 < len(token) < _LONGEST_WORD and token not in STOPWORDS


def word_count(text: str) -> int:
    """Words as people count them; two characters of a script without spaces make one."""
    if text.isascii():
        return len(text.split())
    characters = len(_IDEOGRAPHIC.findall(text))
    return len(_IDEOGRAPHIC.sub(" ", text).split()) + (characters + 1) // 2

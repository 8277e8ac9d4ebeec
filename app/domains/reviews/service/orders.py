"""Sentences that speak to a machine instead of to readers.

Only a sieve: what holds when it lets something through is that a review is read by itself,
that answers are numbers and names from lists, and that a told text is checked against the
counts. A sentence caught by mistake merely is not shown to the model.
"""

import re
import unicodedata

_STRUCTURE = re.compile(
    r"https?:|www\.|\S@\S|[<>{}`|\[\]#*_=\\]|(?<![\w'’])(?:system|assistant|user|human|ai)\s*:"
    r"|[A-Za-z0-9+/]{32,}|-{3,}|\+{3,}"
)
_MACHINE = re.compile(
    r"\b(?:prompts?|jailbreak\w*|chatbot\w*|chatgpt|gpt|llms?|json|api|ki|ia|mi)\b(?!-)"
    r"|(?:language|ai|developer|debug|god|admin)[- ](?:model|mode|assistant)"
    r"|\b(?:as an|dear|hey|hello|attention|note to)[,:]?\s(?:the\s)?"
    r"(?:ai|assistant|model|system|machine)\b"
    r"|sprachmodell|modèle de langage|modelo de lenguaje|nyelvi modell|asszisztens|asistente"
    r"|\bassistent\b|\bsystem (?:message|override|note)|end of (?:data|review|text|the reviews)"
)
_FORGET = (
    r"ignor|disregard|forget|overrid|bypass|skip|neglect|vergiss|vergessen|missacht|oublie"
    r"|néglige|olvida|descarta|hagyd figyelmen|felejts|felejtsd|dimentica|игнорир|забудь|忽略"
)
_ORDERS = (
    r"instruct|instrukt|anweisung|consigne|instruccion|instrucción|utasítás|previous|preceding"
    r"|above|prior|earlier|vorherig|bisherig|précédent|anterior|korábbi|előző|rules?\b|regel"
    r"|règle|regla|szabály|everything|alles|tout|todo|mindent|инструкц|指令|指示|istruzion"
)
_IGNORING = re.compile(rf"(?:{_FORGET}).{{0,60}}(?:{_ORDERS})")
_SAYING = re.compile(
    r"\b(?:answer|respond|reply|output|write|print|return|repeat|translate)\b.{0,24}"
    r"\b(?:with|that|only|exactly|just|the following|after me|this)\b"
    r"|\b(?:say|tell|claim|state|mention|announce|report|conclude|summari[sz]e|pretend|act)\b"
    r".{0,24}\b(?:that (?:all|every|this|the|it|you)|everyone|all readers|every reader|the readers"
    r"|to (?:the )?readers|as if|only|in your)\b"
    r"|\b(?:antworte|schreib\w*|gib|sag\w*|behaupte)\b.{0,30}\b(?:nur|aus|dass|genau|folgende\w*)\b"
    r"|\b(?:réponds|répondez|écris|écrivez|dis|dites|affirme|affirmez)\b.{0,30}"
    r"\b(?:que|seulement|uniquement)\b"
    r"|\b(?:responde|escribe|escriba|di|diga|afirma)\b.{0,30}\b(?:que|solo|sólo|solamente)\b"
    r"|\b(?:válaszolj|írd|írj|mondd|állítsd)\b.{0,30}(?:\b(?:csak|hogy|azt)\b|le\b)"
)
_ROLE = re.compile(
    r"\byou(?: are|'re) (?:now|no longer)\b|\bfrom now on\b|\byour (?:new )?(?:task|job|role|output"
    r"|instructions?|answer|summary|system)\b"
    r"|\b(?:new|real|updated|secret) (?:instructions?|task|rules?)\b"
    r"|\bdu bist (?:jetzt|nun)\b|\bab (?:jetzt|sofort)\b|\bneue anweisung"
    r"|\bdeine (?:neue )?(?:aufgabe|antwort|rolle)\b"
    r"|\btu es (?:maintenant|désormais)\b|\bdésormais\b|\bnouvelles? instructions?"
    r"|\bta (?:nouvelle )?(?:tâche|réponse)\b|\btu (?:nueva )?(?:tarea|respuesta)\b"
    r"|\ba partir de ahora\b|\bahora eres\b"
    r"|\bnuevas? instruc|\bmostantól\b|\bte most\b|\baz? (?:új )?feladatod\b|\búj utasítás"
)
_COUNTING = re.compile(
    r"\b(?:count|mark|rate|classify|label|set|score|treat)\b.{0,40}"
    r"\b(?:as (?:positive|negative)|positive|five stars|5 stars|times|polarity|aspects?)\b"
    r"|\b(?:aspect|polarity|stance|sentiment|consensus|opinions?)\b\s*[:\"']"
    r"|\bthe (?:consensus|summary|overview) (?:must|should|has to|needs to|shall)\b"
)
_SIEVES = (_STRUCTURE, _MACHINE, _IGNORING, _SAYING, _ROLE, _COUNTING)
_SPELT = re.compile(r"\b(?:\w[\s.\-]){4,}\w\b")
_LATIN = re.compile(r"[a-z\u00df-\u024f]")
_LOOKALIKE = re.compile(r"[\u0370-\u052f]")
_WORD = re.compile(r"\w+")


def speaks_to_a_machine(text: str) -> bool:
    """Whether the sentence looks like an order, a role, markup or an address."""
    plain = unicodedata.normalize("NFKC", text).lower()
    shown = "".join(c for c in plain if unicodedata.category(c) != "Cf")
    if shown != plain or _SPELT.search(shown) or _STRUCTURE.search(text):
        return True
    if any(_LATIN.search(word) and _LOOKALIKE.search(word) for word in _WORD.findall(shown)):
        return True
    line = " ".join(shown.split())
    return any(sieve.search(line) for sieve in _SIEVES)

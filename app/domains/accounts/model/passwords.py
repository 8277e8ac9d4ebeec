"""Which passwords are refused: what guessers try first, and what is near the reader.

There are no rules of composition. A password is common when nothing is left of it once
digits and signs at its ends, letters written as digits, repetition, keyboard walks and
dates are seen through, or when it, or what is left, is among those a longer list has. The
words below are our own selection of the usual ones; the list comes from outside.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from app.domains.accounts.errors import WeakPassword

MAX_PASSWORD = 1024

_WORDS = frozenset(
    """
    abcdef access account admin administrator adobe alexander alexandra amanda america andrea
    andrew angel angels animal anthony apollo apple arsenal asdf asdfgh ashley august austin
    autumn babygirl bailey banana barbara barcelona baseball basketball batman beautiful berlin
    bitcoin blabla blessed bonjour boomer boston brandon brandy buster butter butterfly
    california cameron camera canada captain carlos carolina casino changeit changeme charles
    charlie cheese chelsea chester chicken chicago chocolate christ christian christmas
    chris coffee compaq computer contrasena cookie corvette cowboy crystal daniel database david
    default december defender demo denver diamond dolphin donald dragon eagle eminem england
    estrella example facebook family february fender ferrari fireball flower fluffy football
    forever france freedom friday friend friends fuckyou galaxy garfield gateway genesis george
    germany ginger gizmo golden goldfish golf google grandma guest guitar hallo hammer hannah
    happy harley heather hello hellokitty helpme hockey hottest house hunter iceman iloveu
    iloveyou ilovegod india internet iphone jackson january jasmine jasper jennifer jessica
    jesus johnny jonathan jordan joseph joshua july june junior justin killer kitty knight
    lakers letmein leonardo legend liberty linkedin lollipop london loveme lovely lover
    loveyou lucky madison maggie manager manchester marina marlboro martin master matrix matthew
    maverick melissa mercedes merlin michael michelle mickey midnight miller minecraft
    monday money monkey monster morgan motdepasse mother motorola mountain murphy mustang
    naruto natasha nicole nintendo nothing november november ocean october office
    oliver operator orange packers pakistan panther paris passme passphrase passport 
    passwd password passwords passwort patrick peanut pepper personal phoenix pikachu player
    please pokemon popcorn porsche power prince princess private public pumpkin purple pussy qazwsx
    qwert qwerty qwertyuiop qwertz azerty rachel rainbow raiders ranger realmadrid rebecca
    redskins remember richard robert rocket ronaldo root rosebud samantha samsung sample saturday
    scooby scooter secret secure security senha september server shadow shannon silver simple
    skywalker slayer slipknot smokey snoopy soccer sophie spider spiderman spring starwars
    steelers steven student suckit summer sunday sunflower sunshine super superman superstar
    support sweet sweetheart sysadmin system tennis test tester testing testtest thomas thunder
    thursday tigger tiger tinkerbell toyota trust trustno tuesday user username valentina
    vanessa victoria vincent viking warrior wednesday welcome whatever william winner winston
    winter wizard xbox yamaha yankees yellow zaqwsx zxcvbn zxcvbnm
    book books bookworm librarian library lumina luminalib reader reading
    """.split()
)
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_WALKS = (
    _ALPHABET,
    "01234567890",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "qwertzuiopü",
    "azertyuiop",
    "qsdfghjklm",
    "yxcvbnm,.-",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "qazwsxedcrfvtgbyhnujm",
    "q1w2e3r4t5y6u7i8o9p0",
    "!qaz@wsx#edc",
    "!@#$%^&*()_+",
    "zaq1xsw2cde3vfr4",
    "147258369",
)
_BOTH_WAYS = _WALKS + tuple(walk[::-1] for walk in _WALKS)
_SHORTEST_WALK = 3
_LONGEST_UNIT = 4
_SHORTEST_PART = 4
_LETTERS_AS_DIGITS = (
    str.maketrans("04357@$!|", "oaestasil"),
    str.maketrans("04357@$!|", "oaestasli"),
    str.maketrans("01345789@$!", "oleastbgasi"),
    str.maketrans("01345789@$!", "oieastbgasi"),
)
_DATES = ("%d%m%Y", "%m%d%Y", "%Y%m%d", "%Y%d%m")


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """At least `shortest` characters, none of the guessable ones; kept as typed, never cut."""

    shortest: int = 8
    listed: Collection[str] = frozenset()
    """Common passwords in lower case, to be asked `in`."""

    def check(self, password: str, *, email: str) -> None:
        """Raises WeakPassword, saying what would pass."""
        if len(password) < self.shortest:
            raise self._weak("It is too short.")
        if len(password) > MAX_PASSWORD:
            raise WeakPassword(f"A password has at most {MAX_PASSWORD} characters.")
        if any("\ud800" <= character <= "\udfff" for character in password):
            raise self._weak("It holds something that is not a character.")
        if is_personal(password, email):
            raise self._weak("It is, or is close to, your e-mail address.")
        if is_common(password, self.listed):
            raise self._weak("It is among the first that anyone would guess.")

    def _weak(self, why: str) -> WeakPassword:
        return WeakPassword(
            f"{why} A few unrelated words would pass, {self.shortest} characters or more."
        )


def is_personal(password: str, email: str) -> bool:
    """Whether it is the address, a part of it (4 characters or more), or one of its words
    with digits or signs around it."""
    lower, address = password.lower(), email.lower()
    if len(lower) >= _SHORTEST_PART and lower in address:
        return True
    words = {word for word in re.split(r"[\W_]+", address) if len(word) >= _SHORTEST_PART}
    words |= {part for part in (address, address.split("@")[0]) if len(part) >= _SHORTEST_PART}
    return not words.isdisjoint(_cores(lower))


def is_common(password: str, listed: Collection[str] = frozenset()) -> bool:
    """Whether a guesser with a list of passwords, and rules, would come upon it."""
    lower = password.lower()
    unit = _unit(lower)
    return (
        len(unit) <= _LONGEST_UNIT
        or _is_date(lower)
        or any(_is_walked(text) for text in (unit, *_cores(unit)) if text)
        or any(_unit(core) in _WORDS for core in _cores(unit))
        or any(len(core) >= _SHORTEST_PART and core in listed for core in _cores(lower))
    )


def _cores(text: str) -> Iterator[str]:
    """The text without digits and signs at its ends, with digits read as letters, or both."""
    bare = (re.sub(r"[\W\d_]+$", "", text), re.sub(r"^[\W\d_]+|[\W\d_]+$", "", text))
    for form in (text, *bare):
        yield form
        for table in _LETTERS_AS_DIGITS:
            yield form.translate(table)


def _unit(text: str) -> str:
    """The shortest text that makes this one by repetition."""
    return text[: (text + text).find(text, 1)] if text else text


def _is_walked(text: str) -> bool:
    """Whether it consists of keyboard or alphabet walks and repeated characters only."""
    at = 0
    while at < len(text):
        length = _walk_at(text, at)
        if not length:
            return False
        at += length
    return True


def _walk_at(text: str, at: int) -> int:
    """The length of the walk, or of the run of one character, that begins here; 0: none."""
    longest = len(text) - at - len(text[at:].lstrip(text[at]))
    end = at + _SHORTEST_WALK
    while end <= len(text) and any(text[at:end] in walk for walk in _BOTH_WAYS):
        longest = max(longest, end - at)
        end += 1
    return longest if longest >= _SHORTEST_WALK else 0


def _is_date(text: str) -> bool:
    digits = re.sub(r"[-./ ]", "", text)
    return (
        len(digits) == 8
        and digits.isascii()
        and digits.isdigit()
        and any(_reads_as(digits, form) for form in _DATES)
    )


def _reads_as(digits: str, form: str) -> bool:
    try:
        year = datetime.strptime(digits, form).year  # noqa: DTZ007
    except ValueError:
        return False
    return 1900 <= year <= 2100

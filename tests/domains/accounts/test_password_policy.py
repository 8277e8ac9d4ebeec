from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domains.accounts.errors import WeakPassword
from app.domains.accounts.model.passwords import PasswordPolicy

COMMON = """
    password password1 Password123! P@ssw0rd passw0rd2024 qwerty12 qwerty123 12345678 123456789
    87654321 11111111 aaaaaaaa abcabcabc 12121212 abcdefgh 1q2w3e4r 1qaz2wsx !QAZ2wsx qazwsxedc
    asdfghjkl zxcvbnm1 iloveyou iloveyou2 welcome1 Summer2024! letmein1 19841231 31.12.1984
    trustno1 dragon12 passwordpassword asdf1234 abc12345 abc123abc admin123 Adm1n123 ch4ngeme!
    $unsh1ne zaq12wsx m0nkey!! 1234qwer football1 superman 00000000 password1234567890 1111qqqq
    LuminaLib luminalib1 library123 Library! librarian
""".split()
GOOD = [
    "correct horse battery staple",
    "alice likes trains",
    "kW9#fz2!",
    "a long walk by the sea",
    "пароль-для-чтения",
    "🦊🐻🐼🦁🐯🐨🐸🐵",
    "my library is old",
    "tab\tand\x00zero",
    "   spaces around   ",
    "12aa34bb56cc",
    "x7" + "long and winding road " * 46,
]
PERSONAL = [
    "alice.smith@example.com",
    "ALICE.SMITH@EXAMPLE.COM",
    "alice.smith",
    "alice.smith!",
    "smith2024",
    "Al1ce1234",
    "example1",
    "example.com",
    "smith@exam",
]


def check(password: str, email: str = "alice.smith@example.com", shortest: int = 8) -> None:
    PasswordPolicy(shortest).check(password, email=email)


@pytest.mark.parametrize("password", COMMON)
def test_a_common_password_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword, match="unrelated words would pass"):
        check(password)


@pytest.mark.parametrize("password", GOOD)
def test_an_uncommon_password_passes_whatever_it_is_made_of(password: str) -> None:
    check(password)


@pytest.mark.parametrize("password", PERSONAL)
def test_the_address_and_its_parts_are_refused(password: str) -> None:
    with pytest.raises(WeakPassword, match="e-mail address"):
        check(password)


def test_the_shortest_length_is_a_setting_and_the_answer_names_it() -> None:
    check("kW9#fz2!")
    with pytest.raises(WeakPassword, match="15 characters or more"):
        check("kW9#fz2!", shortest=15)


def test_1024_characters_pass_and_one_more_does_not() -> None:
    longest = ("a plain sentence " * 100)[:1023] + "!"
    check(longest)
    with pytest.raises(WeakPassword, match="at most 1024"):
        check(longest + "!")


def test_half_a_character_is_refused() -> None:
    with pytest.raises(WeakPassword, match="not a character"):
        check("\ud800 a plain sentence")


@given(st.sampled_from(["dragon", "sunshine", "library"]), st.integers(0, 99_999), st.booleans())
def test_digits_behind_a_common_word_make_it_no_better(word: str, number: int, sign: bool) -> None:
    with pytest.raises(WeakPassword):
        check(f"{word.title()}{number}{'!' * sign}")


@given(st.text(max_size=1100), st.emails())
def test_no_text_breaks_the_policy(password: str, email: str) -> None:
    with suppress(WeakPassword):
        check(password, email)

"""What every TokenIssuer keeps to, and which tokens JoseTokens does not take."""

import base64
import hashlib
import hmac
import json
import string
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jose.exceptions import JOSEError

from app.adapters.tokens.jose import JoseTokens
from app.domains.accounts.errors import InvalidToken
from app.domains.accounts.ports import Claims, TokenIssuer
from tests.fakes.accounts import RememberedTokens
from tests.fakes.clock import FrozenClock

KEY = b"thirty-two bytes of test material"
NOW = FrozenClock().now()
SECONDS = int(NOW.timestamp())
CLAIMS = Claims(user_id=uuid4(), session_id=uuid4())
HEADER = {"alg": "HS256", "typ": "at+jwt"}


@pytest.fixture(params=["remembered", "jose"])
def issuer(request: pytest.FixtureRequest) -> TokenIssuer:
    return RememberedTokens() if request.param == "remembered" else JoseTokens(KEY)


def test_a_token_says_whose_it_is_and_how_long_it_lasts(issuer: TokenIssuer) -> None:
    access = issuer.issue(CLAIMS, NOW)
    assert access.expires_in == 15 * 60
    assert issuer.verify(access.token, NOW + timedelta(minutes=14)) == CLAIMS


def test_a_token_ends(issuer: TokenIssuer) -> None:
    access = issuer.issue(CLAIMS, NOW)
    with pytest.raises(InvalidToken):
        issuer.verify(access.token, NOW + timedelta(minutes=15, seconds=30))


def test_a_token_that_was_good_before_ends_and_opens_no_door_to_another(
    issuer: TokenIssuer,
) -> None:
    access = issuer.issue(CLAIMS, NOW)
    assert issuer.verify(access.token, NOW) == issuer.verify(access.token, NOW) == CLAIMS
    for token, when in (
        (access.token, NOW + timedelta(minutes=15, seconds=30)),
        (access.token[:-1], NOW),
        (access.token + "=", NOW),
    ):
        with pytest.raises(InvalidToken):
            issuer.verify(token, when)


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "token", "é.é.é", "\ud800.a.b"])
def test_what_nobody_issued_is_refused(issuer: TokenIssuer, token: str) -> None:
    with pytest.raises(InvalidToken):
        issuer.verify(token, NOW)


def test_no_two_tokens_are_alike(issuer: TokenIssuer) -> None:
    assert len({issuer.issue(CLAIMS, NOW).token for _ in range(20)}) == 20


@pytest.mark.parametrize("key", [b"", b"k", b"x" * 31])
def test_a_short_key_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        JoseTokens(key)


def test_a_public_key_is_no_secret() -> None:
    with pytest.raises(JOSEError):
        JoseTokens(public_key(Encoding.PEM))


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def public_key(encoding: Encoding) -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return key.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)


def payload(**changes: Any) -> dict[str, Any]:
    """What a good token claims, changed; a change to `...` leaves the claim out."""
    claims: dict[str, Any] = {
        "iss": "luminalib",
        "aud": "luminalib",
        "sub": str(CLAIMS.user_id),
        "sid": str(CLAIMS.session_id),
        "jti": "one",
        "iat": SECONDS,
        "exp": SECONDS + 900,
    }
    return {name: value for name, value in {**claims, **changes}.items() if value is not ...}


def signed(
    header: object = HEADER,
    claims: object = None,
    *,
    key: bytes = KEY,
    digest: Callable[..., Any] = hashlib.sha256,
) -> str:
    """A token made by hand: texts go in as they are, all else as JSON."""
    claims = payload() if claims is None else claims
    parts = [part if isinstance(part, str) else json.dumps(part) for part in (header, claims)]
    body = ".".join(b64(part.encode()) for part in parts)
    return f"{body}.{b64(hmac.new(key, body.encode(), digest).digest())}"


def unsigned(header: object, claims: object = None) -> str:
    return signed(header, claims).rpartition(".")[0] + "."


def raw(**replaced: str) -> str:
    """The good claims as JSON text with one value spelt as given."""
    text = json.dumps(payload())
    for name, value in replaced.items():
        text = text.replace(json.dumps(payload()[name]), value)
    return text


def respelt(change: Callable[[str], str]) -> str:
    body, _, signature = signed().rpartition(".")
    return f"{body}.{change(signature)}"


def last_character_moved(by: int) -> Callable[[str], str]:
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    return lambda text: text[:-1] + alphabet[alphabet.index(text[-1]) + by]


def abuses() -> dict[str, str]:
    good = signed()
    head, body, signature = good.split(".")
    deep = '{"a":' + "[" * 1000 + "]" * 1000 + "}"
    in_header = {
        "alg none": {**HEADER, "alg": "none"},
        "alg None": {**HEADER, "alg": "None"},
        "alg empty": {**HEADER, "alg": ""},
        "alg null": {**HEADER, "alg": None},
        "alg list": {**HEADER, "alg": ["HS256"]},
        "alg lower case": {**HEADER, "alg": "hs256"},
        "alg RS256": {**HEADER, "alg": "RS256"},
        "no alg": {"typ": "at+jwt"},
        "typ JWT": {**HEADER, "typ": "JWT"},
        "typ refresh": {**HEADER, "typ": "rt+jwt"},
        "no typ": {"alg": "HS256"},
        "crit": {**HEADER, "crit": ["exp"]},
        "crit of the unknown": {**HEADER, "crit": ["sky"], "sky": "blue"},
        "jku": {**HEADER, "jku": "http://127.0.0.1/keys"},
        "jwk": {**HEADER, "jwk": {"kty": "oct", "k": b64(KEY)}},
        "x5u": {**HEADER, "x5u": "http://127.0.0.1/chain"},
        "kid": {**HEADER, "kid": "../../dev/null"},
        "zip": {**HEADER, "zip": "DEF"},
        "cty": {**HEADER, "cty": "JWT"},
        "header a list": [HEADER],
        "header a text": '"HS256"',
        "header deep": deep,
        "header no JSON": "{",
        "header twice alg none": '{"typ":"at+jwt","alg":"HS256","alg":"none"}',
    }
    in_claims = {
        **{f"no {name}": payload(**{name: ...}) for name in payload()},
        "foreign issuer": payload(iss="elsewhere"),
        "foreign audience": payload(aud="elsewhere"),
        "audience a list": payload(aud=["luminalib", "elsewhere"]),
        "issuer null": payload(iss=None),
        "expired": payload(iat=SECONDS - 1000, exp=SECONDS - 31),
        "from the future": payload(iat=SECONDS + 31, exp=SECONDS + 900),
        "for ever": payload(exp=SECONDS + 10**9),
        "ends before it begins": payload(exp=SECONDS - 1),
        "exp text": payload(exp=str(SECONDS + 900)),
        "exp true": payload(exp=True),
        "exp fraction": payload(exp=SECONDS + 0.5),
        "exp infinite": raw(exp="1e400"),
        "exp NaN": raw(exp="NaN"),
        "exp of 5,000 digits": raw(exp="9" * 2000),
        "iat infinite": raw(iat="-1e400"),
        "sub no id": payload(sub="admin"),
        "sub number": payload(sub=1),
        "sid null": payload(sid=None),
        "jti number": payload(jti=7),
        "claims a list": [payload()],
        "claims null": "null",
        "claims empty": "",
        "claims deep": deep,
    }
    return {
        **{name: signed(header) for name, header in in_header.items()},
        **{f"{name}, unsigned": unsigned(header) for name, header in in_header.items()},
        **{name: signed(claims=claims) for name, claims in in_claims.items()},
        "wrong key": signed(key=b"another key of thirty-two bytes!!"),
        "empty key": signed(key=b""),
        "key cut": signed(key=KEY[:-1]),
        "DER key": signed(key=public_key(Encoding.DER)),
        "SHA-512 under HS256": signed(digest=hashlib.sha512),
        "HS512": signed({**HEADER, "alg": "HS512"}, digest=hashlib.sha512),
        "no signature": f"{head}.{body}.",
        "two segments": f"{head}.{body}",
        "four segments": f"{good}.{signature}",
        "five segments": f"{head}.{body}.{body}.{body}.{signature}",
        "signature padded": respelt(lambda text: text + "="),
        "signature padded twice": respelt(lambda text: text + "=="),
        "signature with a blank": respelt(lambda text: text[:20] + "\n" + text[20:]),
        "signature with a foreign character": respelt(lambda text: text[:20] + "!" + text[20:]),
        "signature cut": respelt(lambda text: text[:-1]),
        **{f"signature respelt {n}": respelt(last_character_moved(n)) for n in (1, 2, 3)},
        "header padded": f"{head}=.{body}.{signature}",
        "claims padded": f"{head}.{body}=.{signature}",
        "claims of another": f"{head}.{b64(json.dumps(payload(sub=str(uuid4()))).encode())}."
        + signature,
        "blank before": f" {good}",
        "line end behind": f"{good}\n",
        "above 4 KiB": signed(claims=payload(more="x" * 4000)),
        "10 MB": "a." * 5_000_000,
        "wide digits": good.replace(good[-1], "９"),
    }


ABUSES = abuses()


def test_the_hand_made_token_is_good_before_it_is_abused() -> None:
    assert JoseTokens(KEY).verify(signed(), NOW) == CLAIMS


@pytest.mark.parametrize("token", ABUSES.values(), ids=ABUSES.keys())
def test_an_abused_token_is_invalid_and_nothing_worse(token: str) -> None:
    with pytest.raises(InvalidToken):
        JoseTokens(KEY).verify(token, NOW)


def test_a_token_of_another_key_is_refused() -> None:
    token = JoseTokens(b"another key of thirty-two bytes!!").issue(CLAIMS, NOW).token
    with pytest.raises(InvalidToken):
        JoseTokens(KEY).verify(token, NOW)

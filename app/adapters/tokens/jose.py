"""Access tokens as JSON Web Tokens (RFC 9068), signed by python-jose with HS256.

The library is trusted with one thing, the signature: it accepts optional claims, foreign
headers and other spellings of a signature, and breaks on deeply nested JSON. So all else is
checked here, before and after, and whatever it raises is an invalid token.
"""

import base64
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from uuid import UUID

from jose import jwk, jws
from typing_extensions import override

from app.domains.accounts.errors import InvalidToken
from app.domains.accounts.ports import AccessToken, Claims, TokenIssuer
from app.shared.ids import new_id

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "luminalib"
_HEADER = {"alg": ALGORITHM, "typ": "at+jwt"}
_MAX_LENGTH = 4096
_MIN_KEY = 32
_LEEWAY = 30
_REMEMBERED = 4096


class JoseTokens(TokenIssuer):
    """The key must have at least 32 bytes of chance, and not look like a public key."""

    def __init__(self, key: bytes, *, lifetime: timedelta = timedelta(minutes=15)) -> None:
        if len(key) < _MIN_KEY:
            raise ValueError(f"a token key has at least {_MIN_KEY} bytes")
        jwk.construct(key, ALGORITHM)
        self._key = key
        # What a token says and that we signed it never changes; when it ends does the clock say.
        # What is refused is an error, and no error is remembered.
        self._said = lru_cache(_REMEMBERED)(self._read)
        self._lifetime = int(lifetime.total_seconds())

    @override
    def issue(self, claims: Claims, now: datetime) -> AccessToken:
        issued = int(now.timestamp())
        payload = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(claims.user_id),
            "sid": str(claims.session_id),
            "jti": str(new_id()),
            "iat": issued,
            "exp": issued + self._lifetime,
        }
        token = jws.sign(payload, self._key, headers=_HEADER, algorithm=ALGORITHM)
        return AccessToken(token, self._lifetime)

    @override
    def verify(self, token: str, now: datetime) -> Claims:
        try:
            return self._checked(self._said(token), now.timestamp())
        except InvalidToken:
            raise
        # RecursionError, OverflowError and what else a decoder may think of.
        except Exception as error:
            raise InvalidToken from error

    def _read(self, token: str) -> Mapping[str, Any]:
        """What the token says, once it is one and signed."""
        _require(len(token) <= _MAX_LENGTH)
        header, payload, signature = token.split(".")
        _require(_decoded(header) == _HEADER)
        _require(all(_is_canonical(part) for part in (payload, signature)))
        said = json.loads(jws.verify(token, self._key, algorithms=[ALGORITHM]))
        _require(isinstance(said, dict))
        return MappingProxyType(said)

    def _checked(self, claims: Mapping[str, Any], now: float) -> Claims:
        issued, expires = claims["iat"], claims["exp"]
        _require(claims["iss"] == ISSUER and claims["aud"] == AUDIENCE)
        _require(type(issued) is int and type(expires) is int)
        _require(issued <= now + _LEEWAY and now < expires + _LEEWAY)
        _require(0 < expires - issued <= self._lifetime)
        _require(isinstance(claims["jti"], str))
        return Claims(user_id=UUID(claims["sub"]), session_id=UUID(claims["sid"]))


def _require(holds: bool) -> None:
    if not holds:
        raise InvalidToken


def _decoded(part: str) -> Any:
    _require(_is_canonical(part))
    return json.loads(_bytes(part))


def _bytes(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _is_canonical(part: str) -> bool:
    """Whether this is how base64url spells it: no padding, no stray bits or characters."""
    return base64.urlsafe_b64encode(_bytes(part)).rstrip(b"=") == part.encode("ascii")

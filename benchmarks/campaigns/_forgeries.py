"""Tokens somebody might try: a good one changed in ways that each make it no token of ours.

Whoever forges here knows the signing key and may still not get in: foreign headers and claims
out of their bounds are signed with the true key, so that more than the signature is tried.
"""

import base64
import hashlib
import hmac
import json
import random
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

HEADER = {"alg": "HS256", "typ": "at+jwt"}
_DIGESTS = (hashlib.sha256, hashlib.sha384, hashlib.sha512, hashlib.sha1)
_BASE64 = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
_MARKS = ["", " ", "\t", "\n", "\r\n", "\x00", "=", "==", ".", "%3D", "+", "/", "é", "９", "\ud800"]
_ALGORITHMS = (
    "none None NONE nOnE HS384 HS512 hs256 HS256\x00 RS256 PS256 ES256 EdDSA dir A256KW".split(" ")
)


@dataclass(frozen=True, slots=True)
class Forger:
    """Makes tokens out of a good one, of whose key and claims it knows."""

    good: str
    key: bytes
    dice: random.Random

    def forge(self) -> tuple[str, str]:
        """A kind of forgery and a token of it, never the good one."""
        while True:
            name, make = self.dice.choice(_KINDS)
            token = make(self)
            if token and token.strip() != self.good:
                return name, token

    @property
    def claims(self) -> dict[str, Any]:
        return dict(json.loads(unpacked(self.good.split(".")[1])))

    def bits_flipped(self) -> str:
        parts = [bytearray(unpacked(part)) for part in self.good.split(".")]
        for _ in range(self.dice.choice((1, 1, 1, 2, 8))):
            part = self.dice.choice(parts)
            part[self.dice.randrange(len(part))] ^= 1 << self.dice.randrange(8)
        return ".".join(packed(bytes(part)) for part in parts)

    def characters_changed(self) -> str:
        at = self.dice.randrange(len(self.good))
        end = min(len(self.good), at + self.dice.choice((0, 1, 1, 2, 30)))
        new = self.dice.choice(
            [self.dice.choice(string.printable), self.dice.choice(_MARKS), self.good[at:end] * 2]
        )
        return self.good[:at] + new + self.good[end:]

    def cut_or_grown(self) -> str:
        if self.dice.random() < 0.5:
            return self.good[: self.dice.randrange(len(self.good))]
        more = self.dice.choice((1, 3, 100, 3_700, 4_097, 20_000))
        return self.good + self.dice.choice(("A", "=", ".", "a.", "[", "é")) * more

    def segments_moved(self) -> str:
        parts = self.good.split(".")
        drawn = self.dice.choices(
            [*parts, "", "e30", "bnVsbA"], k=self.dice.choice((1, 2, 3, 4, 5))
        )
        return ".".join(drawn)

    def spelt_otherwise(self) -> str:
        """The same bytes as another text: refused too, or a deny-list of texts would leak."""
        parts = self.good.split(".")
        number = self.dice.randrange(3)
        part = parts[number]
        at = self.dice.randrange(len(part))
        place = _BASE64.index(part[-1])
        parts[number] = self.dice.choice(
            [
                part + "=" * (-len(part) % 4 or 1),
                part + "=",
                part[:-1] + _BASE64[place ^ self.dice.choice((1, 2, 3))],
                part[:at] + self.dice.choice("\n\r\t !@*") + part[at:],
                part.replace("-", "+").replace("_", "/") + "=" * (-len(part) % 4 or 1),
                "".join(f"%{ord(character):02X}" for character in part),
            ]
        )
        return ".".join(parts)

    def header_foreign(self) -> str:
        foreign: list[Any] = [
            {**HEADER, "alg": self.dice.choice(_ALGORITHMS)},
            {**HEADER, "alg": self._odd()},
            {**HEADER, "typ": self.dice.choice(["JWT", "rt+jwt", "AT+JWT", "", self._odd()])},
            {**HEADER, self._name(): self._odd()},
            {name: value for name, value in HEADER.items() if self.dice.random() < 0.4},
            [HEADER],
            self._deep(),
        ]
        header = self.dice.choice(foreign)
        return "" if header == HEADER else self._signed(header, self.claims)

    def claims_out_of_bounds(self) -> str:
        claims = self.claims
        name = self.dice.choice(list(claims))
        wrong: list[Any] = [None, [], {}, "", True, -1, 1.5, self._odd_beside(claims[name])]
        if name in ("iat", "exp"):
            late = self.dice.randrange(10**3, 10**9)
            wrong += [claims["iat"] - late, str(claims[name]), float(claims[name]), 10**400]
        if name == "exp":
            wrong += [claims["exp"] + self.dice.randrange(1, 10**9)]
        if name == "iat":
            wrong += [claims["exp"] - self.dice.randrange(0, 60)]
        if self.dice.random() < 0.2:
            del claims[name]
        else:
            claims[name] = self.dice.choice(wrong)
        if name == "jti" and isinstance(claims.get("jti"), str):
            return ""
        return self._signed(HEADER, claims)

    def signed_by_another(self) -> str:
        claims = {**self.claims, self._name(): self._odd()}
        claims["sub"] = self.dice.choice([claims["sub"], str(uuid4())])
        key = self.dice.choice(
            [b"", b"\x00", self.key[:-1], self.key + b"\x00", self.dice.randbytes(32)]
        )
        if hmac.compare_digest(key.ljust(64, b"\x00"), self.key.ljust(64, b"\x00")):
            # HMAC fills a short key up with zeros: that one is the same.
            key = b"another"
        return self._signed(HEADER, claims, key=key, digest=self.dice.choice(_DIGESTS))

    def signature_borrowed(self) -> str:
        """True signature, other words."""
        claims = {**self.claims, "sub": str(uuid4()), "role": "admin"}
        body = f"{packed_json(HEADER)}.{packed_json(claims)}"
        return f"{body}.{self.dice.choice([self.good.split('.')[2], '', 'AA'])}"

    def words_deep(self) -> str:
        return self._signed(self.dice.choice([HEADER, self._deep()]), self._deep())

    def _signed(
        self,
        header: object,
        claims: object,
        *,
        key: bytes | None = None,
        digest: Callable[..., Any] = hashlib.sha256,
    ) -> str:
        body = f"{packed_json(header)}.{packed_json(claims)}"
        mark = hmac.new(self.key if key is None else key, body.encode(), digest).digest()
        return f"{body}.{packed(mark)}"

    def _name(self) -> str:
        return self.dice.choice("kid jku jwk x5u x5c crit zip cty b64 enc epk p2c role".split())

    def _odd(self) -> Any:
        odd: list[Any] = [None, True, 0, 2**64, -1.5, "", "\x00", "é", [], {}, ["HS256"]]
        return self.dice.choice([*odd, {"kty": "oct", "k": packed(self.key)}, "../../dev/null"])

    def _odd_beside(self, value: object) -> Any:
        odd = self._odd()
        return odd if odd != value else "other"

    def _deep(self) -> "Raw":
        depth = self.dice.choice((10, 100, 400, 700))
        left, right = self.dice.choice([("[", "]"), ('{"a":', "}")])
        return Raw(left * depth + "1" + right * depth)


class Raw(str):
    """JSON as it is to be written."""


_KINDS: tuple[tuple[str, Callable[[Forger], str]], ...] = (
    ("bits flipped", Forger.bits_flipped),
    ("characters changed", Forger.characters_changed),
    ("cut or grown", Forger.cut_or_grown),
    ("segments moved", Forger.segments_moved),
    ("spelt otherwise", Forger.spelt_otherwise),
    ("header foreign", Forger.header_foreign),
    ("claims out of bounds", Forger.claims_out_of_bounds),
    ("signed by another key", Forger.signed_by_another),
    ("signature borrowed", Forger.signature_borrowed),
    ("nested deeply", Forger.words_deep),
)


def packed_json(value: object) -> str:
    if isinstance(value, Raw):
        return packed(value.encode())
    text = json.dumps(value) if isinstance(value, Mapping | list) else str(value)
    return packed(text.encode())


def packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unpacked(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def sent(token: str) -> str:
    """The token as the characters of a header, which are bytes."""
    return token.encode("utf-8", "surrogatepass").decode("latin-1")

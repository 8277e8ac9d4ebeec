"""Somebody who uses the library: what they type, what they get."""

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from demo.telling import StoryBroken, Teller

Json = dict[str, Any]
Told = Callable[[Json], str]

PASSWORD = "a quiet place to read"
# Tokens live for 15 minutes; a large model may read for longer.
_TOKEN_LIFE = 600
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{4}([0-9a-f]{8})")


class Reader:
    """`asks` tells what is typed and answered; `looks` does the same in silence. Both raise
    StoryBroken when the answer has another status than expected."""

    def __init__(self, name: str, email: str, url: str, teller: Teller) -> None:
        self.name = name
        self.email = email
        self._client = httpx.Client(base_url=url, timeout=120)
        self._teller = teller
        self._signed_in_at: float | None = None

    def close(self) -> None:
        self._client.close()

    def signs_up(self) -> None:
        body = {"email": self.email, "password": PASSWORD, "display_name": self.name}
        self.asks("POST", "/auth/signup", json=body, expect=201, tell=_who)

    def signs_in(self) -> None:
        self._signed_in_at = None
        body = {"email": self.email, "password": PASSWORD}
        tokens = self.looks("POST", "/auth/login", json=body)
        self._client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        self._signed_in_at = time.monotonic()

    def asks(
        self,
        method: str,
        path: str,
        *,
        expect: int = 200,
        tell: Told | None = None,
        **given: Any,
    ) -> Json:
        self._teller.typed(self.name, _curl(method, path, given))
        response = self._sent(method, path, given)
        answer = _body(response)
        self._expected(response, expect, method, path)
        told = tell or (_problem if expect >= 400 else _nothing)
        self._teller.answered(response.status_code, response.reason_phrase, told(answer))
        return answer

    def looks(self, method: str, path: str, *, expect: int = 200, **given: Any) -> Json:
        response = self._sent(method, path, given)
        self._expected(response, expect, method, path)
        return _body(response)

    def tries(self, method: str, path: str, **given: Any) -> tuple[int, Json]:
        """The status, whatever it is, and the body."""
        response = self._sent(method, path, given)
        return response.status_code, _body(response)

    def waits_for(
        self, path: str, done: Callable[[Json], bool], *, seconds: float, pause: float = 0.1
    ) -> Json:
        """What `path` says once it is as wanted; raises StoryBroken after that time."""
        end = time.monotonic() + seconds
        while True:
            answer = self.looks("GET", path)
            if done(answer):
                return answer
            if time.monotonic() > end:
                raise StoryBroken(f"{path} was not done in {seconds:.0f} s: {answer}")
            time.sleep(pause)

    def _sent(self, method: str, path: str, given: Mapping[str, Any]) -> httpx.Response:
        if self._signed_in_at and time.monotonic() - self._signed_in_at > _TOKEN_LIFE:
            self.signs_in()
        try:
            return self._client.request(method, path, **given)
        except httpx.TransportError as error:
            raise StoryBroken(f"{method} {path}: no answer ({error!r})") from error

    def _expected(self, response: httpx.Response, expect: int, method: str, path: str) -> None:
        if response.status_code != expect:
            raise StoryBroken(
                f"{self.name}: {method} {path} answered {response.status_code}, not {expect}:\n"
                f"{response.text[:600]}"
            )


def _curl(method: str, path: str, given: Mapping[str, Any]) -> str:
    words = ["curl", _ID.sub(r"…\1", path) + _query(given.get("params", {}))]
    if method != ("POST" if {"json", "files"} & given.keys() else "GET"):
        words.append(f"-X {method}")
    if "json" in given:
        words.append(f"-d '{json.dumps(given['json'], ensure_ascii=False)}'")
    if "files" in given:
        words.append(f"-F file=@{given['files']['file'][0]}")
        words += [f"-F {name}='{value}'" for name, value in given.get("data", {}).items()]
    return " ".join(words)


def _query(parameters: Mapping[str, Any]) -> str:
    pairs = "&".join(f"{name}={value}" for name, value in parameters.items())
    return f"?{pairs}".replace(" ", "+") if pairs else ""


def _body(response: httpx.Response) -> Json:
    try:
        return dict(response.json()) if response.content else {}
    except ValueError:
        return {}


def _problem(answer: Json) -> str:
    return f"{answer.get('code')}: {answer.get('detail') or answer.get('title')}"


def _who(answer: Json) -> str:
    return f"{answer['display_name']}, {answer['role']}"


def _nothing(_: Json) -> str:
    return ""

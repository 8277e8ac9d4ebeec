"""What the rehearsal of the compose file is played with: the stack, its members, the report."""

import json
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "deploy" / "compose"
PROJECT = "luminalib-rehearsal"
PATIENCE = 300.0
ASK = """
import http.client, sys
method, path, token = sys.argv[1:]
connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=30)
connection.request(method, path, headers={"Authorization": "Bearer " + token})
print(connection.getresponse().status)
"""


class Broken(Exception):
    """A promise of the compose file was not kept."""


def must(held: bool, promise: str) -> None:
    if not held:
        raise Broken(promise)


@dataclass(frozen=True)
class Stack:
    """The compose project of this run. `rehearsed`: on a throw-away engine, with stand-ins."""

    engine: Path | None
    port: int

    @property
    def rehearsed(self) -> bool:
        return self.engine is not None

    def docker(self, *words: str) -> str:
        """What the command says; raises Broken with its complaint when it fails."""
        done = subprocess.run(
            ["docker", *words], cwd=ROOT, env=self._environment(), capture_output=True, text=True
        )
        must(done.returncode == 0, f"docker {' '.join(words[:9])}\n{done.stderr[-1500:]}")
        return done.stdout.strip()

    def compose(self, *words: str) -> str:
        variation = COMPOSE / ("rehearsal/pace.yml" if self.rehearsed else "extractive.yml")
        files = ("-f", "docker-compose.yml", "-f", str(variation))
        return self.docker("compose", "-p", PROJECT, *files, *words)

    def up(self, *words: str) -> None:
        built = ("--no-build",) if self.rehearsed else ("--build",)
        self.compose("up", "--detach", "--wait", *built, *words)

    def containers(self, *services: str) -> list[str]:
        return self.compose("ps", "--quiet", *services).split()

    def inspected(self, container: str) -> Any:
        return json.loads(self.docker("inspect", container))[0]

    def is_healthy(self, container: str) -> bool:
        return bool(self.inspected(container)["State"]["Health"]["Status"] == "healthy")

    def status_at(self, container: str, method: str, path: str, token: str) -> int:
        """What one replica answers, asked from inside: no proxy chooses another."""
        return int(self.docker("exec", container, "python", "-c", ASK, method, path, token))

    def _environment(self) -> dict[str, str]:
        engine = self.engine and {
            "DOCKER_HOST": f"unix://{self.engine / 'sock'}",
            "DOCKER_CONFIG": str(self.engine / "config"),
        }
        said = {"SERVER_PORT": str(self.port), "REHEARSAL_PULL_SECONDS": "60"}
        return {**os.environ, **said, **(engine or {})}


class Member:
    """Somebody at the proxy's door."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=60, trust_env=False)
        self.account = {"email": f"{uuid4().hex}@example.org", "password": "harbour-lantern-9"}
        self.client.post("/auth/signup", json=self.account).raise_for_status()
        self.sign_in()

    def sign_in(self) -> None:
        answer = self.client.post("/auth/login", json=self.account).raise_for_status()
        self.token = str(answer.json()["access_token"])
        self.client.headers["Authorization"] = f"Bearer {self.token}"

    def get(self, path: str) -> Any:
        return self.client.get(path).raise_for_status().json()

    def brings(self, text: str) -> str:
        """The path of a new book."""
        file = {"file": ("book.txt", text.encode(), "text/plain")}
        answer = self.client.post("/books", files=file, data={"title": "Rehearsal"})
        return f"/books/{answer.raise_for_status().json()['id']}"

    def reads_of(self, book: str, good: Callable[[Any], bool]) -> Any:
        """The book's summary once it is good."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            summary = self.get(f"{book}/summary")
            if good(summary):
                return summary
            time.sleep(0.5)
        raise Broken(f"No such summary after {PATIENCE:.0f} s: {summary}")


@dataclass
class Traffic:
    """Asks one path again and again, on new connections, until the block ends."""

    url: str
    token: str = ""
    statuses: list[int] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def failed(self) -> int:
        return sum(status != 200 for status in self.statuses)

    def _ask(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        while not self._over.wait(0.02):
            try:
                answer = httpx.get(self.url, headers=headers, timeout=30, trust_env=False)
                self.statuses.append(answer.status_code)
            except httpx.HTTPError:
                self.statuses.append(0)


@dataclass
class Report:
    rows: list[tuple[str, str]] = field(default_factory=list)

    def add(self, what: str, found: str) -> None:
        self.rows.append((what, found))
        print(f"  {what:58}{found}", flush=True)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.add(what, f"{time.monotonic() - started:.1f} s")

    def table(self) -> str:
        return "\n".join(
            ["| what | found |", "|---|---|", *(f"| {w} | {f} |" for w, f in self.rows)]
        )


def story(words: int) -> str:
    """Chapters of sentences about coined names, another book every time."""
    draw = random.Random(uuid4().hex)
    syllables = [a + b for a in "bdfglmnrstv" for b in ("a", "e", "i", "o", "u", "an", "el")]

    def name() -> str:
        return "".join(draw.choices(syllables, k=3))

    def sentence() -> str:
        verbs = draw.choices("found carried feared followed forgot painted guarded".split(), k=2)
        return (
            f"{name().title()} {verbs[0]} {name()} near {name()}, while {name()} and {name()}"
            f" {verbs[1]} {name()} under {name()}."
        )

    chapters = [" ".join(sentence() for _ in range(words // 120)) for _ in range(10)]
    return "\n\n\n".join(f"CHAPTER {n}\n\n{text}" for n, text in enumerate(chapters, 1))

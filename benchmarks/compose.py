"""The compose file on a real engine, and what it survives: `bench compose --engine DIR`.

DIR is a throw-away engine: its socket is DIR/sock, its client's settings are in DIR/config.
What a registry would serve is built there from deploy/compose/rehearsal, under the published
names. Without `--engine` the machine's own engine is used, with the published images and no
model; the project has a name of its own and is removed in the end.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("RESULTS.md")
COMPOSE = ROOT / "deploy" / "compose"
PROJECT = "luminalib-rehearsal"
IMAGE, BASE = "luminalib:local", "python:3.13-slim"
STAND_INS = {
    "postgres": "pgvector/pgvector:0.8.6-pg17",
    "seaweedfs": "chrislusf/seaweedfs:4.48",
    "nginx": "nginx:1.30.5-alpine",
    "ollama": "ollama/ollama:0.35.1",
}
PATIENCE = 300.0
ASK = """
import http.client, sys
method, path, token = sys.argv[1:]
connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=30)
connection.request(method, path, headers={"Authorization": "Bearer " + token})
print(connection.getresponse().status)
"""
CRASH = """
import os, pathlib, signal
for proc in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    if b"app\\0worker" in proc.read_bytes() and proc.parent.name != "1":
        os.kill(int(proc.parent.name), signal.SIGKILL)
"""
LOOK = "touch /probe 2>/dev/null && echo writable; grep -E '^(CapEff|NoNewPrivs)' /proc/1/status"


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


def build(stack: Stack, report: Report) -> None:
    with report.timed("docker build (with whatever the cache holds)"):
        network = ("--network", "host") if stack.rehearsed else ()
        stack.docker("build", "--quiet", *network, "--tag", IMAGE, ".")
    size = _megabytes(stack, IMAGE)
    report.add("image", f"{size} MB, {size - _megabytes(stack, BASE)} of them above {BASE}")
    for name, tag in STAND_INS.items() if stack.rehearsed else ():
        file = COMPOSE / "rehearsal" / f"{name}.Dockerfile"
        stack.docker("build", "-q", "--network", "host", "-f", str(file), "-t", tag, ".")


def _megabytes(stack: Stack, image: str) -> int:
    return round(int(stack.docker("image", "inspect", "-f", "{{.Size}}", image)) / 1e6)


def start(stack: Stack, report: Report) -> None:
    with report.timed("up --wait, from nothing to healthy"):
        stack.up()
    usage = stack.docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}")
    for line in usage.splitlines():
        name, used, *_ = line.split()
        if name.startswith(PROJECT):
            report.add(f"memory of {name.removeprefix(f'{PROJECT}-')}", used)


def open_before_the_model(member: Member, report: Report) -> None:
    part = member.get("/readyz")["parts"]["model"]
    must(not part["ok"] and "ollama pull" in part["detail"], f"the model is still away: {part}")
    with report.timed("a book's first summary, while the model downloads"):
        book = member.brings(story(12_000))
        shown = member.reads_of(book, lambda found: bool(found["summary"]))
    must(shown["source"]["provider"] == "extractive", f"it is extractive: {shown['source']}")
    with report.timed("until the model had come and had read it"):
        shown = member.reads_of(book, lambda found: found["status"] == "ready")
    must(shown["source"]["provider"] == "ollama", f"it is the model's: {shown['source']}")


def play_demo(url: str, report: Report) -> None:
    started = time.monotonic()
    words = [sys.executable, "-m", "demo", "--url", url]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    must(done.returncode == 0, f"the demo ends well:\n{(done.stdout + done.stderr)[-1500:]}")
    report.add("the demo, played against it", f"{time.monotonic() - started:.0f} s")


def replicate(stack: Stack, member: Member, report: Report) -> None:
    with report.timed("to 2 api and 2 workers"):
        stack.up("--no-recreate", "--scale", "api=2", "--scale", "worker=2")
    here, there = stack.containers("api")
    token = member.token
    must(stack.status_at(there, "GET", "/users/me", token) == 200, "one key for all replicas")
    must(stack.status_at(here, "POST", "/auth/signout", token) == 204, "sign out on one")
    must(stack.status_at(there, "GET", "/users/me", token) == 401, "signed out on the other")
    member.sign_in()
    report.add("signed in on one, signed out on the other", "refused at once")
    with Traffic(f"{member.url}/books", member.token) as traffic:
        for container in (here, there):
            stack.docker("stop", container)
            stack.docker("start", container)
            _until(partial(stack.is_healthy, container))
    report.add("both api restarted in turn, under requests", _counted(traffic))
    must(not traffic.failed, "no reader notices")


def crash_workers(stack: Stack, member: Member, report: Report) -> None:
    book = member.brings(story(90_000))
    begun = member.reads_of(book, lambda found: found["progress"]["done"] >= 3)
    for container in stack.containers("worker"):
        stack.docker("exec", container, "python", "-c", CRASH)
    with report.timed("kill -9 of both workers in mid-summary, to its end"):
        told = member.reads_of(book, lambda found: found["status"] == "ready")
    done, planned = begun["progress"]["done"], told["progress"]["planned"]
    report.add("answers there when they were killed", f"{done} of {planned}")
    must(told["source"]["provider"] == "ollama", f"by the model: {told['source']}")
    restarts = [stack.inspected(c)["RestartCount"] for c in stack.containers("worker")]
    must(all(restarts), f"the engine started both again: {restarts}")


def restart_postgres(stack: Stack, member: Member, report: Report) -> None:
    at_all, books_at = f"{member.url}/healthz", f"{member.url}/books"
    with Traffic(at_all) as alive, Traffic(books_at, member.token) as books:
        stack.compose("restart", "postgres")
        with report.timed("Postgres restarted; until requests succeed again"):
            _until(lambda: books.statuses[-5:] == [200] * 5)
    report.add("/healthz meanwhile", _counted(alive))
    report.add("/books meanwhile", f"{_counted(books)}, each told 503 and when to come again")
    must(not alive.failed, "the process stays alive without its database")
    must(set(books.statuses) <= {200, 503}, f"nothing but 200 and 503: {set(books.statuses)}")
    with report.timed("a book brought after it, to its summary"):
        book = member.brings(story(2_000))
        member.reads_of(book, lambda found: found["status"] == "ready")


def look_for_holes(stack: Stack, report: Report) -> None:
    for container in stack.containers():
        name = stack.inspected(container)["Name"].lstrip("/")
        seen = stack.docker("exec", container, "sh", "-c", LOOK).split()
        must("writable" not in seen, f"{name} cannot write into its root")
        must(seen[1::2] == ["0000000000000000", "1"], f"{name} has no rights: {seen}")
    held = "root read-only, no capability, no new privileges"
    report.add(f"all {len(stack.containers())} containers", held)


def come_back(stack: Stack, member: Member, report: Report) -> None:
    text = story(2_000)
    book = member.brings(text)
    member.reads_of(book, lambda found: found["status"] == "ready")
    halves = stack.containers("api", "worker")
    with report.timed("SIGTERM to api and workers, to their end"):
        stack.compose("stop", "api", "worker")
    codes = [stack.inspected(container)["State"]["ExitCode"] for container in halves]
    must(not any(codes), f"they end well: {codes}")
    stack.compose("down")
    with report.timed("down, and up --wait again with what was there"):
        stack.up()
    content = member.client.get(f"{book}/content").raise_for_status()
    must(content.content == text.encode(), "the same book, with the token of before")
    report.add("books, key and sessions after down and up", "all there")


def remove(stack: Stack, report: Report | None = None) -> None:
    stack.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")
    label = f"label=com.docker.compose.project={PROJECT}"
    left = [
        *stack.docker("ps", "-aq", "--filter", label).split(),
        *stack.docker("volume", "ls", "-q", "--filter", label).split(),
        *stack.docker("network", "ls", "-q", "--filter", label).split(),
    ]
    must(not left, f"down -v leaves nothing: {left}")
    if report:
        report.add("down -v", "nothing left")


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        must(time.monotonic() < end, "what was waited for came")
        time.sleep(0.2)


def _counted(traffic: Traffic) -> str:
    return f"{traffic.failed} of {len(traffic.statuses)} requests failed"


def rehearse(stack: Stack, report: Report) -> None:
    build(stack, report)
    remove(stack)
    try:
        start(stack, report)
        url = f"http://127.0.0.1:{stack.port}"
        member = Member(url)
        if stack.rehearsed:
            open_before_the_model(member, report)
        play_demo(url, report)
        replicate(stack, member, report)
        if stack.rehearsed:
            crash_workers(stack, member, report)
        restart_postgres(stack, member, report)
        look_for_holes(stack, report)
        come_back(stack, member, report)
    except Broken:
        print(stack.compose("logs", "--tail", "25"))
        raise
    finally:
        remove(stack)
    remove(stack, report)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="compose", description=__doc__)
    parser.add_argument("--engine", type=Path, help="the folder of a throw-away engine")
    parser.add_argument("--port", type=int, default=18080)
    parser.add_argument("--record", action="store_true", help=f"append to {RESULTS.name}")
    arguments = parser.parse_args(argv)
    report = Report()
    try:
        rehearse(Stack(arguments.engine, arguments.port), report)
    except Broken as broken:
        print(f"BROKEN: {broken}")
        return 1
    if arguments.record:
        # Whose machine the engine runs on is nobody's business.
        command = f"python3 run.py bench compose{' --engine DIR' if arguments.engine else ''}"
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(
                f"\n## compose, {datetime.now(UTC):%Y-%m-%d}\n\n`{command}`\n\n{report.table()}\n"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

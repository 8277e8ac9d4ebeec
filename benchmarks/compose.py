"""The compose file on a real engine, and what it survives: `bench compose --engine DIR`.

DIR is a throw-away engine: its socket is DIR/sock, its client's settings are in DIR/config.
What a registry would serve is built there from deploy/compose/rehearsal, under the published
names. Without `--engine` the machine's own engine is used, with the published images and no
model; the project has a name of its own and is removed in the end.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from app.shared.calling import as_called
from benchmarks._rehearsal import (
    COMPOSE,
    PATIENCE,
    PROJECT,
    ROOT,
    Broken,
    Member,
    Report,
    Stack,
    Traffic,
    must,
    story,
)

RESULTS = Path(__file__).with_name("RESULTS.md")
IMAGE, BASE = "luminalib:local", "python:3.13-slim"
STAND_INS = {
    "postgres": "pgvector/pgvector:0.8.6-pg17",
    "seaweedfs": "chrislusf/seaweedfs:4.48",
    "nginx": "nginx:1.30.5-alpine",
    "ollama": "ollama/ollama:0.35.1",
}
CRASH = """
import os, pathlib, signal
for proc in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    if b"app\\0worker" in proc.read_bytes() and proc.parent.name != "1":
        os.kill(int(proc.parent.name), signal.SIGKILL)
"""
LOOK = "touch /probe 2>/dev/null && echo writable; grep -E '^(CapEff|NoNewPrivs)' /proc/1/status"


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


def lose_and_restore(stack: Stack, member: Member, report: Report) -> None:
    """As deploy/compose/README.md says it; the folder is given to the containers' user."""
    text = story(2_000)
    book = member.brings(text)
    member.reads_of(book, lambda found: found["status"] == "ready")
    with tempfile.TemporaryDirectory() as folder, _lent(stack, folder):
        mounted = ("run", "--rm", "--no-deps", "-v", f"{folder}:/backup", "api")
        with report.timed("backup, beside an open library"):
            stack.compose(*mounted, "backup", "/backup")
        with report.timed("the same folder again"):
            stack.compose(*mounted, "backup", "/backup")
        stack.compose("down", "--volumes")
        stack.compose("up", "--detach", "--wait", "postgres", "storage")
        with report.timed("all volumes lost; restore into empty ones"):
            stack.compose(*mounted, "restore", "/backup")
    stack.up()
    member.sign_in()
    content = member.client.get(f"{book}/content").raise_for_status()
    must(content.content == text.encode(), "the book of the backup")
    report.add("account and book after the restore", "there")


@contextmanager
def _lent(stack: Stack, folder: str) -> Iterator[None]:
    """The folder as the image's user's, and ours again: only the engine may give it away."""
    give = ("run", "--rm", "--user", "0", "--entrypoint", "chown", "-v", f"{folder}:/lent", IMAGE)
    stack.docker(*give, "10001:10001", "/lent")
    try:
        yield
    finally:
        stack.docker(*give, "--recursive", f"{os.getuid()}:{os.getgid()}", "/lent")


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
        lose_and_restore(stack, member, report)
    except Broken:
        print(stack.compose("logs", "--tail", "25"))
        raise
    finally:
        remove(stack)
    remove(stack, report)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="compose", description=__doc__)
    parser.add_argument("--engine", type=as_called, help="the folder of a throw-away engine")
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

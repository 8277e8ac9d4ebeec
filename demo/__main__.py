"""python -m demo [--books DIR] [--url URL] [--keep]"""

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.shared.calling import as_called
from demo.reader import PASSWORD
from demo.server import OwnServer
from demo.shelf import Shelf, sample_shelf, shelf_in
from demo.stage import Stage
from demo.story import leave, play
from demo.telling import StoryBroken, Teller


def main(arguments: list[str]) -> int:
    chosen = _parser().parse_args(arguments)
    teller = Teller()
    shelf = shelf_in(chosen.books) if chosen.books else sample_shelf()
    if not shelf.books:
        teller.say(f"There is no txt, md, epub or pdf file below {chosen.books}.")
        return 2
    _end_in_good_order()
    begin = time.monotonic()
    try:
        with _stage(teller, chosen.url, keep=chosen.keep) as stage:
            _play(stage, shelf)
    except StoryBroken as broken:
        teller.say("")
        teller.row(f"✗ The story broke: {broken}")
        return 1
    except KeyError as missing:
        teller.say("")
        teller.row(f"✗ The story broke: an answer lacks {missing}")
        return 1
    except KeyboardInterrupt:
        teller.say("Stopped; everything is put away.")
        return 130
    teller.good(f"Every step did what it should. {time.monotonic() - begin:.0f} s in all.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="demo", description="The story of a library.")
    parser.add_argument("--books", type=_folder, metavar="DIR", help="any folder with books")
    parser.add_argument("--url", help="an already running server")
    parser.add_argument("--keep", action="store_true", help="leave the server and its books")
    return parser


def _folder(name: str) -> Path:
    folder = as_called(name)
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{name} is no folder")
    return folder


def _end_in_good_order() -> None:
    """A closed terminal and a polite kill are told apart from Ctrl-C by nobody."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)


@contextmanager
def _stage(teller: Teller, url: str | None, *, keep: bool) -> Iterator[Stage]:
    """A stage that is cleared at the end, unless the story went well and is to be kept."""
    server = None if url else OwnServer()
    stage = Stage(teller, (url or server.url if server else url or "").rstrip("/"), server)
    kept = False
    try:
        yield stage
        kept = keep
        if kept:
            _tell_where(stage)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _clear(stage, kept=kept)


def _play(stage: Stage, shelf: Shelf) -> None:
    if stage.server is None:
        stage.teller.say(f"The library of this story is at {stage.url}.")
    else:
        stage.teller.say("A library is started in a folder of its own, with its own Postgres …")
        seconds = stage.server.start()
        stage.teller.good(f"It listens on {stage.url}, ready after {seconds:.1f} s.")
    play(stage, shelf)


def _tell_where(stage: Stage) -> None:
    stage.teller.chapter("The library stays open")
    stage.teller.row(f"{stage.url}/docs")
    stage.teller.row(f"sign in as {stage.librarian.email} with the password: {PASSWORD}")
    if stage.server:
        stage.teller.row(f"stop it with: kill {stage.server.pid}; it lives in {stage.server.home}")


def _clear(stage: Stage, *, kept: bool) -> None:
    if not kept and stage.server is None:
        leave(stage)
    for reader in stage.readers:
        reader.close()
    if not kept and stage.server is not None:
        stage.server.remove()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

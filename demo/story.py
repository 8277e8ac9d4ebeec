"""The story from the first sign-up to the last table."""

import time

from demo.scenes import arriving, lending, reading, recommending, shelving, unplugging
from demo.shelf import Shelf
from demo.stage import Stage, Volume


def play(stage: Stage, shelf: Shelf) -> None:
    """All scenes in order. Raises StoryBroken at the first step that goes wrong."""
    begin = time.monotonic()
    held_back = shelf.longest if stage.server else None
    at_once = shelf.books + ([shelf.longest] if shelf.longest and not held_back else [])
    arriving.play(stage)
    shelving.play(stage, at_once)
    reading.play(stage)
    lending.play(stage)
    recommending.play(stage)
    unplugging.play(stage, held_back)
    _table(stage, time.monotonic() - begin)


def leave(stage: Stage) -> None:
    """Take from somebody's own server what the story brought to it."""
    for reader in stage.borrowers if stage.readers else ():
        for loan in reader.tries("GET", "/users/me/loans?open=true")[1].get("items", ()):
            reader.tries("POST", f"/books/{loan['book_id']}/return")
    for volume in stage.volumes + stage.unreadable:
        if volume.mine:
            stage.librarian.tries("DELETE", volume.path)
    for reader in stage.readers:
        reader.tries("DELETE", "/users/me")


def _table(stage: Stage, seconds: float) -> None:
    stage.teller.chapter("In numbers")
    stage.teller.row(f"{'book':44} {'file':5}{'words':>10}{'nodes':>8}{'asked again':>13}{'s':>8}")
    for volume in sorted(stage.volumes, key=lambda each: each.words):
        stage.teller.row(_row(volume))
    words = sum(volume.words for volume in stage.volumes)
    nodes = sum(volume.nodes for volume in stage.volumes)
    asked = sum(volume.asked for volume in stage.volumes)
    name = f"{len(stage.volumes)} books"
    stage.teller.row(f"{name:50}{words:>10,}{nodes:>8,}{asked:>13,}{seconds:>8.1f}")
    unread = stage.refused + [volume.file.filename for volume in stage.unreadable]
    if unread:
        stage.teller.say(f"Not readable, and said so: {', '.join(unread)}")


def _row(volume: Volume) -> str:
    return (
        f"{volume.title[:44]:44} {volume.file.format:5}{volume.words:>10,}{volume.nodes:>8,}"
        f"{volume.asked:>13,}{volume.seconds:>8.1f}"
    )

"""kill -9 in the middle of a summary, and what is left afterwards."""

import time

from demo.reader import Json
from demo.scenes.shelving import bring, summarise_again
from demo.server import STALLED_AFTER, OwnServer
from demo.shelf import BookFile
from demo.stage import Stage, Volume
from demo.telling import must

_PATIENCE = 3600.0
_ENDED = ("ready", "failed", "cancelled")


def play(stage: Stage, longest: BookFile | None) -> None:
    stage.teller.chapter("Somebody pulls the plug")
    if stage.server is None:
        stage.teller.say("Not on a server that is not ours: without --url, the demo does it.")
        return
    volume = bring(stage, longest) if longest else None
    before = _acknowledged(stage)
    job = _summary_job(stage, volume) if volume else None
    _lend_one_more(stage, before)
    seen = _in_the_middle(stage, job) if job else None
    _unplug(stage, stage.server, before)
    if volume and job and seen:
        _finish(stage, volume, job, seen)
    else:
        stage.teller.say("Nothing was in flight: no further book was left to be summarised.")


def _summary_job(stage: Stage, volume: Volume) -> str:
    """The library began by itself; only a summary that is asked for has a job to watch,
    and that one goes on from what the first has answered."""
    path = f"{volume.path}/summary"
    stage.librarian.waits_for(path, _begun, seconds=_PATIENCE, pause=0.005)
    return str(stage.librarian.asks("POST", path, expect=202, tell=_watched)["job_id"])


def _begun(told: Json) -> bool:
    return bool(told["status"] != "pending")


def _watched(_: Json) -> str:
    return "a job, to be watched"


def _lend_one_more(stage: Stage, before: dict[str, list[str]]) -> None:
    reader = stage.borrowers[0]
    loan = reader.asks("POST", f"{stage.favourite.path}/borrow", expect=201)
    before[f"loans of {reader.name}"].append(loan["id"])


def _in_the_middle(stage: Stage, job: str) -> Json:
    """The job as it was last seen: well under way if it can be caught at it, else ended."""
    while True:
        seen = stage.librarian.looks("GET", f"/jobs/{job}")
        progress = seen["progress"]
        if 4 * progress["done"] > progress["planned"] or seen["status"] in _ENDED:
            return seen
        time.sleep(0.005)


def _unplug(stage: Stage, server: OwnServer, before: dict[str, list[str]]) -> None:
    pid = server.pid
    server.kill()
    stage.teller.typed("you", f"kill -9 {pid}")
    stage.teller.good(f"Started again, ready after {server.start():.1f} s.")
    after = _acknowledged(stage)
    for name, facts in before.items():
        missing = [fact for fact in facts if fact not in after[name]]
        must(not missing, f"{name}: acknowledged before the kill, missing after: {missing}")
    told = ", ".join(f"{name}: {len(facts)}" for name, facts in before.items())
    stage.teller.good(f"Everything acknowledged is still there ({told}), and all tokens work.")


def _acknowledged(stage: Stage) -> dict[str, list[str]]:
    """What the library has said yes to, as anybody may ask for it."""
    reader = stage.librarian
    facts = {"books": _books(stage), "reviews": [], "summaries": []}
    for volume in stage.volumes:
        reviews = reader.looks("GET", f"{volume.path}/reviews", params={"limit": 100})["items"]
        facts["reviews"] += [f"{one['id']} {one['rating']} {one['text']}" for one in reviews]
        told = reader.looks("GET", f"{volume.path}/summary")
        facts["summaries"] += [f"{volume.id} {told['summary']}"] if told["summary"] else []
    for one in stage.borrowers:
        loans = one.looks("GET", "/users/me/loans", params={"limit": 100})["items"]
        facts[f"loans of {one.name}"] = [loan["id"] for loan in loans]
    tastes = stage.borrowers[-1].looks("GET", "/users/me/preferences")
    kinds = ("genres", "authors", "tags", "languages")
    facts["preferences"] = [f"{taste['name']}" for kind in kinds for taste in tastes[kind]]
    return facts


def _books(stage: Stage) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": 100, **({"cursor": cursor} if cursor else {})}
        page = stage.librarian.looks("GET", "/books", params=params)
        found += [f"{book['id']} {book['content']['sha256']}" for book in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            return found


def _finish(stage: Stage, volume: Volume, job: str, seen: Json) -> None:
    volume.shown = stage.librarian.looks("GET", volume.path)
    _tell_flight(stage, volume, seen)
    ended = _watch_job(stage, job)
    must(ended["status"] == "ready", f"the interrupted summary ended as {ended}")
    told = stage.librarian.looks("GET", f"{volume.path}/summary")
    must(told["status"] == "ready" and told["coverage"] == 1.0, "the whole book is summarised")
    volume.seconds = time.monotonic() - volume.uploaded_at
    if ended["attempts"] > 1:
        answered = 0 if told["source"]["degraded"] else seen["progress"]["done"]
        _tell_rest(stage, ended, answered=answered)
    summarise_again(stage, volume)


def _tell_flight(stage: Stage, volume: Volume, seen: Json) -> None:
    done, planned = seen["progress"]["done"], seen["progress"]["planned"]
    if seen["status"] in _ENDED:
        stage.teller.say("The summary was too quick: it was done when the plug was pulled.")
        return
    stage.teller.say(
        f"In flight was the summary of “{volume.title}”: {done:,} of {planned:,} nodes were"
        f" answered when last seen. A dead worker is noticed after {STALLED_AFTER} s here."
    )


def _tell_rest(stage: Stage, ended: Json, *, answered: int) -> None:
    nodes, asked = ended["result"]["nodes"], ended["result"]["asked"]
    most = min(nodes - 1, nodes - answered)
    must(asked <= most, f"{asked} of {nodes} asked though {answered} were answered")
    stage.teller.good(
        f"It went on where it was: of {nodes:,} nodes {nodes - asked:,} were kept from before"
        f" the kill, and {asked:,} asked after it (attempt {ended['attempts']})."
    )


def _watch_job(stage: Stage, job: str) -> Json:
    end = time.monotonic() + _PATIENCE
    while True:
        seen = stage.librarian.looks("GET", f"/jobs/{job}")
        if seen["status"] in _ENDED:
            return seen
        must(time.monotonic() < end, f"the job did not end in an hour: {seen}")
        progress = seen["progress"]
        stage.teller.progress(
            f"… {seen['status']}: {progress['done']:,} of {progress['planned']:,} nodes"
        )
        time.sleep(0.1)

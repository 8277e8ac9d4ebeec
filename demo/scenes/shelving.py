"""Books are brought, read and summarised."""

import time

from demo.reader import Json
from demo.shelf import BookFile
from demo.stage import Stage, Volume
from demo.telling import must

_PATIENCE = 3600.0
_REFUSALS = (413, 415, 422)


def play(stage: Stage, files: list[BookFile]) -> None:
    formats = sorted({file.format for file in files})
    stage.teller.chapter(f"Mira brings {len(files)} books ({', '.join(formats)})")
    stage.teller.say(
        "Each upload is answered at once with 202: reading and summarising go on behind it."
    )
    for file in files:
        bring(stage, file)
    _watch(stage)
    for volume in stage.volumes:
        summarise_again(stage, volume)
    _tell_sums(stage)


def bring(stage: Stage, file: BookFile) -> Volume | None:
    """Upload the file; None when the library refused it, and said why."""
    begin = time.monotonic()
    form = {"files": {"file": (file.filename, file.read())}, "data": file.fields}
    status, answer = stage.librarian.tries("POST", "/books", **form)
    stage.teller.typed("Mira", f"curl /books -F file=@{file.filename}{_said(file)}")
    if status in _REFUSALS:
        stage.refused.append(file.filename)
        stage.teller.answered(status, "refused", str(answer.get("detail")))
        return None
    if status == 409:
        return _already_there(stage, file, answer)
    must(status == 202, f"{file.filename} was answered {status}: {answer}")
    stage.teller.answered(202, "Accepted", f"after {time.monotonic() - begin:.2f} s")
    volume = Volume(file, answer["id"], mine=True, uploaded_at=begin, shown=answer)
    stage.volumes.append(volume)
    return volume


def summarise_again(stage: Stage, volume: Volume) -> None:
    """Ask for the summary anew: the job says how many questions that took."""
    if not volume.mine:
        return
    job = stage.librarian.looks("POST", f"{volume.path}/summary", expect=202)["job_id"]
    done = stage.librarian.waits_for(f"/jobs/{job}", _ended, seconds=_PATIENCE)
    must(done["status"] == "ready", f"the summary of {volume.title} ended as {done}")
    volume.nodes, volume.asked = done["result"]["nodes"], done["result"]["asked"]
    told = stage.librarian.looks("GET", f"{volume.path}/summary")
    # What the model could not do well is tried again, in the hope of better.
    fair = volume.asked < volume.nodes if told["source"]["degraded"] else volume.asked == 0
    must(fair, f"{volume.asked} questions about {volume.title} were asked twice")
    volume.shown = stage.librarian.looks("GET", volume.path)


def _ended(job: Json) -> bool:
    return job["status"] in ("ready", "failed", "cancelled")


def _said(file: BookFile) -> str:
    return "".join(f" -F {name}='{value}'" for name, value in file.fields.items())


def _already_there(stage: Stage, file: BookFile, answer: Json) -> Volume | None:
    must(answer["code"] == "duplicate_content", f"{file.filename} was refused: {answer}")
    stage.teller.answered(409, "Conflict", "these very bytes are in the library already")
    if any(volume.id == answer["book_id"] for volume in stage.volumes):
        return None
    volume = Volume(file, answer["book_id"], mine=False, uploaded_at=time.monotonic())
    volume.shown = stage.librarian.looks("GET", volume.path)
    stage.volumes.append(volume)
    return volume


def _watch(stage: Stage) -> None:
    """Until every book has been read and summarised, or has said why it cannot be."""
    waiting = list(stage.volumes)
    end = time.monotonic() + _PATIENCE
    while waiting:
        must(time.monotonic() < end, f"{waiting[0].title} was not done in an hour")
        for volume in waiting:
            volume.shown = stage.librarian.looks("GET", volume.path)
        finished = [volume for volume in waiting if _settled(volume)]
        waiting = [volume for volume in waiting if not _settled(volume)]
        for volume in finished:
            _tell_finished(stage, volume)
        if waiting:
            stage.teller.progress(_state(waiting))
            time.sleep(0.1)


def _settled(volume: Volume) -> bool:
    return volume.shown["ingestion"]["status"] == "failed" or (
        volume.shown["summary"]["status"] in ("ready", "failed", "cancelled")
    )


def _state(waiting: list[Volume]) -> str:
    busy = [v for v in waiting if v.shown["summary"]["status"] == "running"] or waiting
    what = busy[0].shown
    progress = what["summary"]["progress"]
    doing = (
        f"{progress['done']} of {progress['planned']} nodes"
        if what["summary"]["status"] == "running"
        else f"being read ({what['ingestion']['status']})"
    )
    return f"… {len(waiting)} to go; {what['title'][:40]}: {doing}"


def _tell_finished(stage: Stage, volume: Volume) -> None:
    volume.seconds = time.monotonic() - volume.uploaded_at
    if volume.shown["ingestion"]["status"] == "failed":
        error = volume.shown["ingestion"]["error"]
        stage.unreadable.append(volume)
        stage.volumes.remove(volume)
        stage.teller.row(f"✗ {volume.title}: {error['detail']}")
        return
    must(volume.shown["summary"]["status"] == "ready", f"a summary failed: {volume.shown}")
    progress = volume.shown["summary"]["progress"]
    must(progress["done"] == progress["planned"], f"{volume.title} is not done: {progress}")
    stage.teller.row(
        f"✓ {volume.title[:44]:44} {volume.file.format:5}{volume.words:>9,} words"
        f"{progress['planned']:>6,} nodes{volume.seconds:>8.1f} s"
    )


def _tell_sums(stage: Stage) -> None:
    must(stage.volumes, "none of the books could be read")
    mine = [volume for volume in stage.volumes if volume.mine]
    asked, nodes = sum(v.asked for v in mine), sum(v.nodes for v in mine)
    degraded = ", all about passages it could not do well" if asked else ""
    stage.teller.good(
        f"{sum(v.words for v in stage.volumes):,} words read. Asked for a second summary of each,"
        f" the library put {asked} questions to its model{degraded}: {nodes - asked:,} of"
        f" {nodes:,} answers were there, kept by the hash of what was asked."
    )

"""What somebody is doing when the process dies, and how they go on afterwards."""

import asyncio
import hashlib
import json
import random
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import asyncpg
from typing_extensions import override

from app.adapters.postgres.dumping import DatabaseNotEmpty, state_of
from app.bootstrap.backup import back_up, restore_backup
from benchmarks.campaigns._grounds import PASSWORD
from benchmarks.campaigns._mortal_library import Mortal, ask
from tests.database import create_database
from tests.library import settings_for_tests

_WORDS = "lamp storm keeper harbour letter winter ship island key garden bell road".split()
_LONG = 9_000


class Deed(ABC):
    """Made ready in a healthy library; `told` is what the life is told to do as `kind`."""

    kind: ClassVar[str] = "request"

    def __init__(self, library: Mortal, home: Path) -> None:
        self._library = library
        self._home = home
        self.told: dict[str, Any] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Deed":
        await self.prepare()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @abstractmethod
    async def prepare(self) -> None: ...

    @abstractmethod
    async def go_on(self, library: Mortal) -> list[str]:
        """Do it again, as people do who had no answer; what is not as it should be then."""

    async def _reader(self) -> dict[str, str]:
        who = {"email": f"{uuid4().hex}@library.test", "password": PASSWORD}
        client = self._library.client
        (await client.post("/auth/signup", json=who)).raise_for_status()
        tokens = (await client.post("/auth/login", json=who)).raise_for_status().json()
        return {"Authorization": f"Bearer {tokens['access_token']}"}

    async def _book(self, headers: dict[str, str], text: str) -> str:
        form = {"file": ("book.txt", text.encode())}
        added = await self._library.client.post("/books", files=form, headers=headers)
        await self._library.runner.kick()
        return str(added.raise_for_status().json()["id"])

    async def _get(self, path: str) -> Any:
        answer = await self._library.client.get(path, headers=self.told["headers"])
        return answer.raise_for_status().json()

    async def _again(self, library: Mortal, *expected: int) -> tuple[Any, list[str]]:
        answer = await ask(library.client, self.told)
        await library.runner.kick()
        told = answer.json() if answer.content else {}
        wrong = answer.status_code not in expected
        return told, [f"asked again: {answer.status_code} {told}"] if wrong else []

    async def _content(self, book: str, text: str) -> list[str]:
        path = f"/books/{book}/content"
        answer = await self._library.client.get(path, headers=self.told["headers"])
        same = answer.is_success and answer.content == text.encode()
        return [] if same else [f"the file of {book} is not what was sent: {answer.status_code}"]


class Upload(Deed):
    @override
    async def prepare(self) -> None:
        headers = await self._reader()
        self.told = {"method": "POST", "path": "/books", "headers": headers, "text": _text()}

    @override
    async def go_on(self, library: Mortal) -> list[str]:
        told, wrong = await self._again(library, 202, 409)
        book = told.get("id") or told.get("book_id")
        if wrong or not book:
            return [*wrong, f"no book came of it: {told}"]
        status = (await self._get(f"/books/{book}"))["ingestion"]["status"]
        found = await self._content(book, self.told["text"])
        return found if status == "ready" else [*found, f"the book is {status}"]


class Replace(Deed):
    @override
    async def prepare(self) -> None:
        headers = await self._reader()
        self._id = await self._book(headers, _text())
        path = f"/books/{self._id}/content"
        self.told = {"method": "PUT", "path": path, "headers": headers, "text": _text()}

    @override
    async def go_on(self, library: Mortal) -> list[str]:
        _, wrong = await self._again(library, 202, 409)
        return wrong + await self._content(self._id, self.told["text"])


class Withdraw(Deed):
    @override
    async def prepare(self) -> None:
        headers = await self._reader()
        self._id = await self._book(headers, _text())
        self.told = {"method": "DELETE", "path": f"/books/{self._id}", "headers": headers}

    @override
    async def go_on(self, library: Mortal) -> list[str]:
        _, wrong = await self._again(library, 204, 404)
        path, headers = self.told["path"], self.told["headers"]
        gone = (await library.client.get(path, headers=headers)).status_code == 404
        return wrong if gone else [*wrong, "the book is still there"]


class Borrow(Deed):
    @override
    async def prepare(self) -> None:
        headers = await self._reader()
        self._id = await self._book(headers, _text())
        path = f"/books/{self._id}/borrow"
        self.told = {"method": "POST", "path": path, "headers": headers}

    @override
    async def go_on(self, library: Mortal) -> list[str]:
        _, wrong = await self._again(library, 201, 409)
        loans = (await self._get("/users/me/loans?open=true"))["items"]
        held = [loan["book_id"] for loan in loans] == [self._id]
        return wrong if held else [*wrong, f"the loans are {loans}"]


class GiveBack(Borrow):
    @override
    async def prepare(self) -> None:
        await super().prepare()
        (await ask(self._library.client, self.told)).raise_for_status()
        self.told["path"] = f"/books/{self._id}/return"

    @override
    async def go_on(self, library: Mortal) -> list[str]:
        _, wrong = await self._again(library, 200, 409)
        loans = (await self._get("/users/me/loans"))["items"]
        over = len(loans) == 1 and loans[0]["returned_at"] is not None
        return wrong if over else [*wrong, f"the loans are {loans}"]


class ReviewIt(Borrow):
    @override
    async def prepare(self) -> None:
        await super().prepare()
        (await ask(self._library.client, self.told)).raise_for_status()
        review = {"rating": 4, "text": "The storm is well told. I loved the keeper."}
        self.told |= {"path": f"/books/{self._id}/reviews", "json": review}

    @override
    async def go_on(self, library: Mortal) -> list[str]:
        _, wrong = await self._again(library, 201, 409)
        analysis = await self._get(f"/books/{self._id}/analysis")
        heard = (analysis["status"], analysis["rating"]["count"], analysis["reviews_covered"])
        return wrong if heard == ("fresh", 1, 1) else [*wrong, f"the analysis is {heard}"]


class LongText(Deed):
    @override
    async def prepare(self) -> None:
        said = {"content": _text(_LONG), "title": "A long text"}
        headers = await self._reader()
        path = "/generate-summary"
        self.told = {"method": "POST", "path": path, "headers": headers, "json": said}

    @override
    async def go_on(self, library: Mortal) -> list[str]:
        told, wrong = await self._again(library, 202)
        if wrong:
            return wrong
        job = await self._get(f"/jobs/{told['job_id']}")
        return [] if job["status"] == "ready" else [f"the job is {job}"]


class Sweep(Deed):
    kind = "sweep"

    @override
    async def prepare(self) -> None:
        """An upload that was broken off behind the last byte."""
        self._key = f"books/{uuid4()}"
        await _announce(self._library, self._key)
        path = self._home / "files" / "books+" / self._key.rpartition("/")[2]
        await asyncio.to_thread(_put, path)

    @override
    async def go_on(self, library: Mortal) -> list[str]:
        await library.services.ingestion.sweep()
        return []


class Fit(Deed):
    kind = "fit"

    @override
    async def prepare(self) -> None:
        self.told = {"headers": await self._reader()}
        await self._book(self.told["headers"], _text())

    @override
    async def go_on(self, library: Mortal) -> list[str]:
        async def silently(done: int, planned: int) -> None: ...

        made = await library.services.fitting.fit(silently, anyway=True)
        await self._get("/recommendations")
        return [] if made["fitted"] else [f"no model came of it: {made}"]


class BackUp(Deed):
    kind = "back up"

    @override
    async def prepare(self) -> None:
        self._folder = self._home / f"backup-{uuid4().hex}"
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        await back_up(self._library.settings, self._folder, lambda line: None)
        self.told = {"folder": str(self._folder), "headers": await self._reader()}
        await self._book(self.told["headers"], _text())
        self._before = _manifest(self._folder)

    @override
    async def go_on(self, library: Mortal) -> list[str]:
        """What was there is a whole backup still, and the next one is one too."""
        found = []
        if _manifest(self._folder) != self._before or not _is_whole(self._folder):
            found.append("the backup before it is not whole any more")
        await back_up(library.settings, self._folder, lambda line: None)
        return found if _is_whole(self._folder) else [*found, "the next backup is not whole"]


class Restore(Deed):
    kind = "restore"

    @override
    async def prepare(self) -> None:
        name = f"restored_{uuid4().hex}"
        folder, home = self._home / f"safe-{name}", self._home / f"home-{name}"
        for path in (folder, home):
            self._stack.callback(shutil.rmtree, path, ignore_errors=True)
        await back_up(self._library.settings, folder, lambda line: None)
        own = str(self._library.settings.database.url.get_secret_value())  # type: ignore[union-attr]
        url = await asyncio.to_thread(create_database, own, name, template="template0")
        self._stack.push_async_callback(_drop, own, name)
        self.told = {"folder": str(folder), "home": str(home), "url": url}

    @override
    async def go_on(self, library: Mortal) -> list[str]:
        target = settings_for_tests(self.told["url"], Path(self.told["home"]))
        folder = Path(self.told["folder"])
        # Not empty it is when all was back before it died.
        with suppress(DatabaseNotEmpty):
            await restore_backup(target, folder, lambda line: None)
        rows = dict((await state_of(self.told["url"])).rows)
        files = _digests(Path(self.told["home"]) / "files")
        same = rows == _manifest(folder)["rows"] and files == _digests(folder / "files")
        return [] if same else ["what is restored is not what was saved"]


DEEDS: Mapping[str, Callable[[Mortal, Path], Deed]] = {
    "upload": Upload,
    "replace": Replace,
    "withdraw": Withdraw,
    "borrow": Borrow,
    "give back": GiveBack,
    "review": ReviewIt,
    "long text": LongText,
    "sweep": Sweep,
    "fit": Fit,
    "back up": BackUp,
    "restore": Restore,
}


def _text(sentences: int = 12) -> str:
    dice = random.Random()
    lines = (f"The {' of the '.join(dice.sample(_WORDS, 3))} was good." for _ in range(sentences))
    return f"{uuid4()}. " + " ".join(lines)


async def _announce(library: Mortal, key: str) -> None:
    url = library.settings.database.url
    assert url is not None
    connection = await asyncpg.connect(url.get_secret_value())
    try:
        await connection.execute("INSERT INTO announced_files VALUES ($1, now())", key)
    finally:
        await connection.close()


async def _drop(url: str, name: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    finally:
        await connection.close()


def _put(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"a file nobody was told of")


def _manifest(folder: Path) -> Any:
    return json.loads((folder / "manifest.json").read_text("utf-8"))


def _is_whole(folder: Path) -> bool:
    manifest = _manifest(folder)
    dump = hashlib.sha256((folder / manifest["dump"]).read_bytes()).hexdigest()
    kept = {file["key"]: file["sha256"] for file in manifest["files"]}
    files = {key: hashlib.sha256((folder / "files" / key).read_bytes()).hexdigest() for key in kept}
    return dump == manifest["dump_sha256"] and files == kept


def _digests(folder: Path) -> list[str]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)

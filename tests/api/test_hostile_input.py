"""Whatever is sent, wherever the OpenAPI document says that something can be: never a crash,
never a hang, every failure a documented problem that does not repeat what it refused."""

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

import httpx
import pytest

from tests.api.conftest import PASSWORD, Drain, Headers, Shelve, SignIn

Value = TypeVar("Value")

CANARY = "zqcanaryqz"
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
PATIENCE = 30
JSON = "application/json"
FORM = "multipart/form-data; boundary=b"
# The gate may answer so for every operation: the body is too large.
OF_THE_GATE = {413}
DEEP = 2_000

NUMBERS = [
    "1e999", "-1e999", "NaN", "Infinity", "-Infinity", "-0", "0", "-1", "1.5", "1_000", "0x10",
    "2147483648", "-2147483649", "9223372036854775808", "-9223372036854775809", "9" * 5000,
]  # fmt: skip
TEXTS = [
    "", " ", "\t", "\n", "\x00", f"{CANARY}\x00", f"{CANARY}\ud800", "\udfff", "\x7f\x1b[2J",
    "\ufeff", "%", "_", "\\", "％", "＼", "%_%" * 160, "\\" * 499, "'", '"', "`", "$1", "{0}",
    f"{CANARY}' OR '1'='1' --", f"'; DROP TABLE users; -- {CANARY}", "1); SELECT pg_sleep(9); --",
    "../../etc/passwd", "..\\..\\boot.ini", f"{CANARY}\r\nSet-Cookie: a=b", "\u2028", "😀" * 40,
    f"\u202e{CANARY}\u200f", "\u200b", "e" + "\u0301" * 300, "\U0010ffff", "İ", "ß" * 300,
    f"<script>{CANARY}</script>", "a,b,,c", "& | ! <-> :*", '"" OR "-', CANARY + "x" * 501,
    NOBODY, f"urn:uuid:{NOBODY}", f"{NOBODY}0", str(UUID(int=0)), "１２", "1 ", "true", "null",
    "[1,2]", "{}", "2024-02-30", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
]  # fmt: skip
SCALARS = [*NUMBERS, *TEXTS, CANARY, "[" * DEEP + "]" * DEEP]
QUERIES = ["%", "%zz", "%ff%fe", "%c0%af", "%u0041", "+", "a;b", "1&{0}=2", "1&{0}[]=2"]
FRAGMENTS = [
    *NUMBERS, "true", "false", "null", "[]", "{}", "1.0", "1e0", f'["{CANARY}"]', "[null]",
    f'{{"a":"{CANARY}"}}', "[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP,
    "[" + ",".join(f'"{n}"' for n in range(101)) + "]", '"\\ud83d\\ude00"', f'"\\udc00{CANARY}"',
    *(json.dumps(text) for text in [*TEXTS, "1", CANARY, CANARY + "x" * 900_000]),
]  # fmt: skip
HEADERS: Mapping[str, list[str | bytes]] = {
    "Authorization": [
        "", "Bearer", "Bearer ", f"Basic {CANARY}", f"Bearer {CANARY}", "Bearer a.b.c",
        "Bearer " + "a." * 3_000, b"Bearer \xff\xfe", "Bearer eyJhbGciOiJub25lIn0.e30.",
    ],
    "content-length": ["-1", "9" * 18, "9" * 5_000, "1e3", "\xb2"],
    "content-type": ["", "\x00", "/", "application/json; charset=\xff", "multipart/form-data"],
    "x-request-id": [CANARY + "\r\n", "x" * 10_000, "<script>"],
    "idempotency-key": [f"{CANARY} \x00", "x" * 256, b"\xff"],
    "range": ["bytes=", "bytes=9-1", "bytes=-0", "bytes=0-0,1-1", "bytes=" + "9" * 5_000 + "-"],
    "if-range": ["\x00"],
    "if-match": ["*", '"', '"1"', 'W/"' + "9" * 190, CANARY + "x" * 500, "\xb2", "\x00"],
    "accept": [CANARY + "*" * 5_000],
}  # fmt: skip

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "sign_up": {"email": "new@library.test", "password": "short", "display_name": "New"},
    "sign_in": {"email": "member@library.test", "password": "not the password"},
    "refresh": {"refresh_token": "not a token"},
    "rename": {"display_name": "Renamed"},
    "change_password": {"current_password": PASSWORD, "new_password": PASSWORD},
    "change_user": {"role": "member", "disabled": False},
    "erase_account": {"password": "not the password"},
    "describe_book": {"title": "Title", "genres": ["sea"], "tags": ["sea"], "copies": 5},
    "generate_summary": {"content": "It was night. The keeper read. The sea was loud."},
    "review": {"rating": 4, "text": "Good."},
    "edit_review": {"rating": 4, "text": "Good."},
    "state_preferences": {"genres": [{"name": "sea", "weight": 0.5}]},
    "give_feedback": {"book_id": NOBODY, "action": "click"},
}
AS: Mapping[str, str] = {
    **dict.fromkeys(("sign_up", "sign_in", "refresh"), "anonymous"),
    **dict.fromkeys(("list_users", "change_user"), "admin"),
    "describe_book": "librarian",
    "sign_out": "leaver",
}


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    about: Mapping[str, Any]
    schemas: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.about["operationId"])

    @property
    def private(self) -> bool:
        return "security" in self.about

    def parameters(self, place: str) -> list[str]:
        return [p["name"] for p in self.about.get("parameters", ()) if p["in"] == place]

    def takes(self, kind: str) -> bool:
        return kind in self.about.get("requestBody", {}).get("content", {})

    @property
    def fields(self) -> list[str]:
        schema = self.about["requestBody"]["content"][JSON]["schema"]
        # A body that may be left out is one of two things, the second of them nothing.
        schema = next(iter(schema.get("anyOf", [schema])))
        named = schema.get("$ref", "").rpartition("/")[2]
        return list(self.schemas.get(named, schema)["properties"])

    @property
    def documented(self) -> set[int]:
        return {int(status) for status in self.about["responses"]} | OF_THE_GATE


@dataclass
class Adversary:
    """Sends what it is told to, and keeps what should not have been answered."""

    api: httpx.AsyncClient
    operations: list[Operation]
    ids: dict[str, str]
    actors: dict[str, Headers]
    faults: list[str] = field(default_factory=list)

    def path(self, operation: Operation, **given: str) -> str:
        path = operation.path
        for name in operation.parameters("path"):
            path = path.replace(f"{{{name}}}", given.get(name, self.ids[name]))
        return path

    async def send(
        self, operation: Operation, path: str, content: bytes | None = None, **more: Any
    ) -> int:
        """The status, which the list of faults has judged."""
        headers = more.pop("headers", {})
        actor = more.pop("actor", AS.get(operation.name, "member"))
        raw = {**self.actors[actor], **headers}
        sent = [(n.encode(), v if isinstance(v, bytes) else v.encode()) for n, v in raw.items()]
        request = self.api.build_request(operation.method, path, content=content, headers=sent)
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self.api.send(request)
        except TimeoutError:
            self.faults.append(f"{operation.name}: hangs on {path[:200]} {content!r:.200}")
            return 0
        case = f"{operation.name} as {actor}: {path[:100]} {headers!r:.200} {content!r:.200}"
        self.faults += [f"{fault} <- {case}" for fault in _faults(operation, answer)]
        return answer.status_code


def _faults(operation: Operation, answer: httpx.Response) -> Iterator[str]:
    if answer.status_code not in operation.documented:
        yield f"{answer.status_code} is not documented: {answer.text[:200]}"
    if answer.status_code < 400:
        return
    if answer.headers.get("content-type") != "application/problem+json":
        yield f"{answer.status_code} is no problem document: {answer.text[:200]}"
        return
    document = answer.json()
    # The one place that must name the path as it was asked for.
    document.pop("instance", None)
    if CANARY in json.dumps(document):
        yield f"{answer.status_code} repeats what it refused: {answer.text[:300]}"
    if not document.get("code") or document.get("request_id") != answer.headers["x-request-id"]:
        yield f"{answer.status_code} lacks code or request id: {answer.text[:200]}"
    if len(answer.content) > 12_000:
        yield f"{answer.status_code} takes {len(answer.content)} bytes to say no"


@pytest.fixture
async def adversary(
    api: httpx.AsyncClient,
    sign_in: SignIn,
    shelve: Shelve,
    librarian: Headers,
    admin: Headers,
    drain: Drain,
) -> Adversary:
    member, leaver = await sign_in("member"), await sign_in("leaver")
    book, other = await shelve(copies=5), await shelve("The Tide", headers=member)
    await api.post(f"/books/{book['id']}/borrow", headers=member)
    said = {"rating": 4, "text": "The keeper is kind and the sea is loud."}
    review = await api.post(f"/books/{book['id']}/reviews", headers=member, json=said)
    job = await api.post(f"/books/{other['id']}/summary", headers=member)
    await drain()
    shown = await api.get("/recommendations", headers=member)
    ids = {
        "book_id": book["id"],
        "review_id": review.json()["id"],
        "job_id": job.json()["job_id"],
        "user_id": (await api.get("/users/me", headers=leaver)).json()["id"],
        "recommendation_id": shown.json()["recommendation_id"],
    }
    actors = {"member": member, "librarian": librarian, "admin": admin, "anonymous": {}}
    return Adversary(api, await operations_of(api), ids, {**actors, "leaver": leaver})


async def operations_of(api: httpx.AsyncClient) -> list[Operation]:
    document = (await api.get("/openapi.json")).json()
    return [
        Operation(method.upper(), path, about, document["components"]["schemas"])
        for path, methods in document["paths"].items()
        for method, about in methods.items()
    ]


async def test_no_broken_body_does_harm(adversary: Adversary) -> None:
    for operation in adversary.operations:
        if operation.takes(JSON):
            for kind, body in _broken_bodies(json.dumps(EXAMPLES[operation.name])):
                await _send_body(adversary, operation, body, kind)
    assert adversary.faults == []


async def test_no_cursor_does_harm(adversary: Adversary) -> None:
    keys: list[Any] = [
        None, True, 0, -1, 3, 1.5, 2**31, 2**63, 10**400, float("nan"), float("inf"), "", "a",
        "a\x00", "\ud800", "x" * 1_000, [], {}, "2024-01-01", "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00", "infinity",
    ]  # fmt: skip
    ids: list[Any] = [None, "", NOBODY + "\x00", 1, []]
    pairs = [*product(keys, [NOBODY]), *product(["a", 3], ids)]
    for operation in adversary.operations:
        for n, sort in enumerate(_sorts(operation)):
            for key in _share([*pairs, *((sort, *pair) for pair in pairs)], n, of=2):
                query = f"limit=1&sort={sort}&q=keeper&cursor={_cursor(key)}"
                await adversary.send(operation, f"{adversary.path(operation)}?{query}")
    assert adversary.faults == []


async def test_no_form_does_harm(adversary: Adversary) -> None:
    for operation in adversary.operations:
        if operation.takes("multipart/form-data"):
            for body in _forms():
                await _send_body(adversary, operation, body, FORM)
    assert adversary.faults == []


async def test_every_operation_has_an_example_to_spoil(api: httpx.AsyncClient) -> None:
    assert {o.name for o in await operations_of(api) if o.takes(JSON)} == EXAMPLES.keys()


async def _send_body(
    adversary: Adversary, operation: Operation, body: bytes, kind: str = JSON
) -> None:
    headers = {"content-type": kind}
    await adversary.send(operation, adversary.path(operation), body, headers=headers)


def _share(values: list[Value], n: int, *, of: int) -> list[Value]:
    """One of so many shares: what is read by the same code meets all values in turns."""
    return values[n % of :: of]


def encoded(value: str) -> str:
    return quote(value.encode("utf-8", "surrogatepass"), safe="")


def _cursor(key: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _sorts(operation: Operation) -> list[str]:
    """The orders of a list that goes on behind a cursor; none for what is no such list."""
    if "cursor" not in operation.parameters("query"):
        return []
    known = [p["schema"] for p in operation.about["parameters"] if p["name"] == "sort"]
    choices = [choice for schema in known for choice in schema.get("anyOf", [schema])]
    return [sort for choice in choices for sort in choice.get("enum", ())] or [""]


def places_in(example: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    steps = example.items() if isinstance(example, Mapping) else enumerate(example)
    for step, value in steps:
        yield (*before, step)
        if isinstance(value, dict | list):
            yield from places_in(value, (*before, step))


def with_fragment(example: Any, place: tuple[Any, ...], fragment: str) -> bytes:
    """The example as JSON, with the fragment as it is at the place."""
    changed = inner = json.loads(json.dumps(example))
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = "@here@"
    return json.dumps(changed).replace('"@here@"', fragment).encode()


def _broken_bodies(good: str) -> Iterator[tuple[str, bytes]]:
    """Bodies that are wrong as a whole, with their content types."""
    yield from ((JSON, raw.encode()) for raw in ("", "null", "[]", '"x"', "1", "{}", "NaN", "\x00"))
    yield from ((JSON, good[:cut].encode()) for cut in (1, len(good) // 2, len(good) - 1))
    yield from ((JSON, raw) for raw in (b"\xff\xfe{", b'{"a":"\xff"}', b"\xef\xbb\xbf{}"))
    yield from ((JSON, good.encode(code)) for code in ("utf-8-sig", "utf-16", "utf-32"))
    yield from ((JSON, raw.encode()) for raw in ("[" * 500_000, '{"a":' * 150_000, "9" * 10_000))
    yield JSON, f"{good[:-1]}, {good[1:]}".encode()
    yield JSON, (good[:-1] + "".join(f', "{n}": 1' for n in range(5_000)) + "}").encode()
    yield JSON, f'{good[:-1]}, "{"x" * 100_000}": "{CANARY}"}}'.encode()
    yield JSON, b'{"a": "' + b"x" * 1_100_000 + b'"}'
    for kind in (
        "text/plain", "text/xml", "application/x-www-form-urlencoded", "multipart/form-data", FORM,
        "application/merge-patch+json", "application/json; charset=utf-7", "", "\x00", "/", "é",
    ):  # fmt: skip
        yield kind, good.encode()


def _forms() -> Iterator[bytes]:
    file = part('name="file"; filename="a.txt"', "The keeper reads. " * 20)
    names = ["title", "author", "genre", "genres", "year_published", "isbn", "language", "tags",
             "description", "copies", "more", "file", ""]  # fmt: skip
    for name, value in _share(list(product(names, SCALARS)), 3, of=11):
        yield part(f'name="{name}"', value) + file + b"--b--\r\n"
    for name in ("", "\x00", "../../x.txt", '"', "\\", "x" * 3_000, "\u202etxt", "é", "a\r\nb: c"):
        yield part(f'name="file"; filename="{name}"', CANARY) + b"--b--\r\n"
    yield from (b"", b"--b", b"--b--", b"--b--\r\n", b"--c\r\n", file, file[:-30], file * 2)
    yield from (b"\r\n" * 9_000 + file, part("", "x"), part('name="file"', ""))
    yield part('name="t"', "x") * 3_000 + file + b"--b--\r\n"
    yield part('name="title"', "x" * 70_000) + file + b"--b--\r\n"
    yield b"--b\r\n" + b"x: y\r\n" * 1_000 + b"\r\n"
    yield b"--b\r\nContent-Disposition: form-data; name=" + b"x" * 100_000 + b"\r\n\r\n"
    yield file[:-2] + b"x" * 3_500_000 + b"\r\n--b--\r\n"


def part(disposition: str, content: str) -> bytes:
    head = f"--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n"
    return head.encode("utf-8", "surrogatepass")

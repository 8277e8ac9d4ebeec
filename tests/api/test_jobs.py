"""What became of the work that outlives a request."""

from uuid import uuid4

import httpx

from tests.api.conftest import Drain, Headers, SignIn

LONG = " ".join(f"On day {n} the keeper counted {n * 7} ships." for n in range(2000))


async def test_a_job_is_seen_by_who_started_it_and_by_librarians(
    api: httpx.AsyncClient, sign_in: SignIn, drain: Drain, librarian: Headers
) -> None:
    owner, stranger = await sign_in("ada"), await sign_in("grace")
    started = await api.post("/generate-summary", json={"content": LONG * 3}, headers=owner)
    assert started.status_code == 202
    path = started.headers["Location"]
    assert path == f"/jobs/{started.json()['job_id']}"
    waiting = (await api.get(path, headers=owner)).json()
    assert (waiting["kind"], waiting["status"], waiting["attempts"]) == (
        "summarise_text", "pending", 0,
    )  # fmt: skip
    assert waiting["progress"] == {"done": 0, "planned": 1}
    refused = await api.get(path, headers=stranger)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    await drain()
    for who in (owner, librarian):
        job = (await api.get(path, headers=who)).json()
        assert (job["status"], job["error"], job["attempts"]) == ("ready", None, 1)
        assert job["progress"]["done"] == job["progress"]["planned"] > 5
        assert job["result"]["summary"]
        assert job["result"]["source"]["provider"] == "extractive"


async def test_a_job_that_is_not_there_is_not_found(
    api: httpx.AsyncClient, sign_in: SignIn
) -> None:
    missing = await api.get(f"/jobs/{uuid4()}", headers=await sign_in("ada"))
    assert (missing.status_code, missing.json()["code"]) == (404, "job_not_found")

"""What is answered is what the OpenAPI document says, in the small things too."""

import httpx
import pytest

from tests.api.conftest import Headers, Shelve, SignIn
from tests.api.test_hostile_input import NOBODY


@pytest.mark.parametrize(
    "path",
    ["/books", f"/books/{NOBODY}", f"/books/{NOBODY}/content", "/books/facets", "/users/me"],
)
async def test_a_wrong_method_is_told_all_right_ones(
    api: httpx.AsyncClient, sign_in: SignIn, path: str
) -> None:
    documented = (await api.get("/openapi.json")).json()["paths"]
    told = await api.request("OPTIONS", path, headers=await sign_in("ada"))
    right = {method.upper() for method in documented[path.replace(NOBODY, "{book_id}")]}
    assert told.status_code == 405
    assert set(told.headers["allow"].split(", ")) - {"HEAD"} == right


@pytest.mark.parametrize("weight", [True, "1", None])
async def test_a_weight_is_a_number(
    api: httpx.AsyncClient, sign_in: SignIn, weight: object
) -> None:
    stated = {"genres": [{"name": "sea", "weight": weight}]}
    answer = await api.put("/users/me/preferences", json=stated, headers=await sign_in("ada"))
    assert answer.status_code == 422


@pytest.mark.parametrize("disabled", [0, 1, "true", "off"])
async def test_disabling_somebody_is_said_with_true_or_false(
    api: httpx.AsyncClient, admin: Headers, disabled: object
) -> None:
    me = (await api.get("/users/me", headers=admin)).json()["id"]
    answer = await api.patch(f"/users/{me}", json={"disabled": disabled}, headers=admin)
    assert answer.status_code == 422


@pytest.mark.parametrize("copies", [True, "3", 2.5])
async def test_a_number_is_no_text_and_no_yes(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve, copies: object
) -> None:
    headers = await sign_in("ada")
    book = await shelve(headers=headers, copies=2, year_published=1850)
    assert (book["copies"], book["year_published"]) == (2, 1850)
    for name in ("copies", "year_published"):
        answer = await api.put(f"/books/{book['id']}", json={name: copies}, headers=headers)
        assert answer.status_code == 422


async def test_a_file_is_handed_out_as_what_it_is(
    api: httpx.AsyncClient, sign_in: SignIn, shelve: Shelve
) -> None:
    headers = await sign_in("ada")
    book = await shelve(headers=headers)
    answer = await api.get(f"/books/{book['id']}/content", headers=headers)
    assert answer.headers["content-type"].startswith(book["content"]["media_type"])
    document = (await api.get("/openapi.json")).json()
    download = document["paths"]["/books/{book_id}/content"]["get"]["responses"]
    assert set(download["200"]["content"]) == set(download["206"]["content"]) == {"*/*"}

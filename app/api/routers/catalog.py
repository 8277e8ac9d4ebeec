"""Books: shelve, find, describe, hand out, withdraw."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response, status
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from app.api.dependencies import CurrentUser, Paging, Shelving, kick, note_view
from app.api.files import attachment, requested_part
from app.api.idempotency import fingerprint_of_form
from app.api.multipart import BrokenForm, MultipartForm, NotAForm
from app.api.problems import problems
from app.api.schemas.base import Storable
from app.api.schemas.catalog import BookIn, BookOut, BookPageOut, FacetsOut, Sort
from app.domains.accounts.model import User
from app.domains.catalog.errors import (
    BookChanged,
    BookNotFound,
    BookOnLoan,
    ContentNotYours,
    DuplicateContent,
    FileMissing,
    FileTooLarge,
    MayNotContribute,
    NotYourBook,
    QueryTooSlow,
    UploadSwept,
)
from app.domains.catalog.model import BookQuery
from app.domains.catalog.service import ReceivedFile, ShelvingService
from app.ports.files import ObjectDamaged
from app.ports.storage import ObjectMissing, StorageUnavailable
from app.ports.text import EmptyFile, UnknownFormat
from app.shared.errors import LibraryError, NotAuthenticated, RangeNotSatisfiable, Unavailable

router = APIRouter(prefix="/books", tags=["books"], responses=problems(NotAuthenticated))

_FILE_PROBLEMS = (FileMissing, FileTooLarge, EmptyFile, UnknownFormat, BrokenForm, NotAForm)
_LISTS = frozenset(["genres", "tags"])
_FIELDS = {name: {"type": "string"} for name in BookIn.model_fields}
Year = Annotated[int | None, Query(ge=-4000, le=9999)]
IfMatch = Annotated[str | None, Header(max_length=200)]


def _form(fields: dict[str, Any]) -> dict[str, Any]:
    """What /docs shows of a form that is read as it streams in."""
    properties = {"file": {"type": "string", "format": "binary"}, **fields}
    schema = {"type": "object", "required": ["file"], "properties": properties}
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }


class BookForm:
    """An upload: the stored file and the fields around it."""

    def __init__(self) -> None:
        self.file: ReceivedFile | None = None
        self.fields: dict[str, str] = {}

    def received(self) -> ReceivedFile:
        if self.file is None:
            raise FileMissing("Send the book as the part 'file'.")
        return self.file

    def add(self, name: str, value: str) -> None:
        if name not in self.fields:
            self.fields[name] = value
        elif name in _LISTS:
            self.fields[name] += f",{value}"
        else:
            raise BrokenForm(f"The field {name[:80]!r} comes twice.")

    def said(self) -> dict[str, Any]:
        """What the fields say; forms of browsers send empty ones for what is left out."""
        given = {
            name: value
            for name, value in self.fields.items()
            if value.strip() or name not in BookIn.model_fields
        }
        try:
            return BookIn.model_validate_strings(given).said()
        except ValidationError as error:
            errors = [{**e, "loc": ("body", *e["loc"])} for e in error.errors()]
            raise RequestValidationError(errors) from error


@asynccontextmanager
async def _upload(
    request: Request, shelving: ShelvingService, user: User
) -> AsyncIterator[BookForm]:
    """The form, read. A refusal discards the file; after any other failure it may belong to
    a book all the same (a commit whose answer was lost), so that is left to the sweep."""
    upload = BookForm()
    try:
        await _read_form(request, shelving, user, upload)
        request.state.fingerprint = fingerprint_of_form(
            upload.fields, upload.received().content.sha256
        )
        yield upload
    except (LibraryError, RequestValidationError, HTTPException) as error:
        if upload.file and not isinstance(error, Unavailable):
            await shelving.discard(upload.file)
        raise


async def _read_form(
    request: Request, shelving: ShelvingService, user: User, upload: BookForm
) -> None:
    form = MultipartForm(request.headers.get("content-type", ""), request.stream())
    async for part in form.parts():
        if part.name == "file":
            if upload.file is not None:
                raise BrokenForm("Send one file at a time.")
            upload.file = await shelving.receive(
                user, filename=part.filename or "book", stream=part.chunks
            )
        else:
            upload.add(part.name, await part.text())


@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    dependencies=[Depends(kick)],
    openapi_extra=_form(_FIELDS),
    responses=problems(MayNotContribute, DuplicateContent, UploadSwept, *_FILE_PROBLEMS),
)
async def add_book(
    request: Request, response: Response, user: CurrentUser, shelving: Shelving
) -> BookOut:
    """Add a book by its file. What the form leaves out is read from the file; reading and
    summarising go on in the background."""
    async with _upload(request, shelving, user) as upload:
        view = await shelving.shelve(user, upload.received(), upload.said())
    response.headers["Location"] = f"/books/{view.book.id}"
    response.headers["ETag"] = _etag(view.book.version)
    return BookOut.of(view)


async def _asked(
    q: Annotated[str | None, Query(min_length=1, max_length=500), Storable] = None,
    author: Annotated[str | None, Query(max_length=500), Storable] = None,
    genre: Annotated[str | None, Query(max_length=500), Storable] = None,
    tag: Annotated[str | None, Query(max_length=500), Storable] = None,
    language: Annotated[str | None, Query(max_length=35), Storable] = None,
    year_from: Year = None,
    year_to: Year = None,
    available: bool | None = None,
) -> BookQuery:
    return BookQuery(q, author, genre, tag, language, year_from, year_to, available)


Asked = Annotated[BookQuery, Depends(_asked)]


@router.head("", include_in_schema=False)
@router.get("", response_model=BookPageOut, responses=problems(QueryTooSlow))
async def list_books(
    shelving: Shelving, paging: Paging, asked: Asked, sort: Sort | None = None
) -> Response:
    """A page of books. `q` searches title, author, tags and description, typos forgiven,
    and the text of the books; it sorts by relevance unless told otherwise."""
    query = replace(asked, sort=sort or ("relevance" if asked.q else "title"))
    page = await shelving.search(query, paging)
    return Response(BookPageOut.written(page), media_type="application/json")


@router.get("/facets", responses=problems(QueryTooSlow))
async def count_books(shelving: Shelving, asked: Asked) -> FacetsOut:
    """The commonest genres, authors, languages, decades and tags among the books a list of
    the same question would hold. Of very many books a part is looked at: `estimated`."""
    return FacetsOut.of(await shelving.facets(asked))


@router.head("/{book_id}", include_in_schema=False)
@router.get("/{book_id}", dependencies=[Depends(note_view)], responses=problems(BookNotFound))
async def show_book(book_id: UUID, response: Response, shelving: Shelving) -> BookOut:
    view = await shelving.find(book_id)
    response.headers["ETag"] = _etag(view.book.version)
    return BookOut.of(view)


@router.put("/{book_id}", responses=problems(BookNotFound, NotYourBook, BookChanged, BookOnLoan))
async def describe_book(
    book_id: UUID,
    body: BookIn,
    response: Response,
    user: CurrentUser,
    shelving: Shelving,
    if_match: IfMatch = None,
) -> BookOut:
    """Change what is said of a book; fields left out stay as they are."""
    view = await shelving.describe(user, book_id, body.said(), if_match=_version(if_match))
    response.headers["ETag"] = _etag(view.book.version)
    return BookOut.of(view)


@router.put(
    "/{book_id}/content",
    status_code=status.HTTP_202_ACCEPTED,
    dependencies=[Depends(kick)],
    openapi_extra=_form({}),
    responses=problems(
        BookNotFound, NotYourBook, BookChanged, DuplicateContent, UploadSwept, *_FILE_PROBLEMS
    ),
)
async def replace_content(
    book_id: UUID,
    request: Request,
    response: Response,
    user: CurrentUser,
    shelving: Shelving,
    if_match: IfMatch = None,
) -> BookOut:
    """A new version of the file; text and summary follow."""
    await shelving.may_change(user, book_id)
    async with _upload(request, shelving, user) as upload:
        if upload.fields:
            raise BrokenForm("This form takes the part 'file' only.")
        view = await shelving.replace_content(
            user, book_id, upload.received(), if_match=_version(if_match)
        )
    response.headers["ETag"] = _etag(view.book.version)
    return BookOut.of(view)


@router.get(
    "/{book_id}/content",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"*/*": {}}, "description": "The whole file"},
        206: {"content": {"*/*": {}}, "description": "A part of it"},
        **problems(
            BookNotFound,
            ContentNotYours,
            ObjectMissing,
            ObjectDamaged,
            RangeNotSatisfiable,
            StorageUnavailable,
        ),
    },
)
async def download(
    book_id: UUID, request: Request, user: CurrentUser, shelving: Shelving
) -> StreamingResponse:
    """The book's file, for who has it on loan, who brought it, and librarians. Each block is
    held against what was stored before it goes out: of a damaged file nothing wrong is sent,
    it is refused, or the answer breaks off before the damage."""
    content = await shelving.content_of(user, book_id)
    part = requested_part(request.headers, size=content.size, etag=content.sha256)
    stream = await shelving.open(content, part)
    return attachment(content, part, stream)


@router.delete(
    "/{book_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[Depends(kick)],
    responses=problems(BookNotFound, NotYourBook, BookOnLoan),
)
async def withdraw_book(book_id: UUID, user: CurrentUser, shelving: Shelving) -> None:
    """Take the book out of the library, its file too."""
    await shelving.withdraw(user, book_id)


def _etag(version: int) -> str:
    return f'"{version}"'


def _version(if_match: str | None) -> int | None:
    """The version the caller has; one that no book can have for a tag that is not ours."""
    if if_match is None or if_match.strip() == "*":
        return None
    tag = if_match.strip().removeprefix("W/").strip('"')
    return int(tag) if tag.isascii() and tag.isdecimal() and len(tag) < 10 else -1

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from app.api.dependencies import Accounts, CurrentSession, CurrentUser, OwnData, Paging
from app.api.problems import problems
from app.api.schemas.accounts import (
    EraseIn,
    PasswordIn,
    RefreshIn,
    RenameIn,
    SignInIn,
    SignUpIn,
    TokensOut,
    UserChangeIn,
    UserOut,
)
from app.api.schemas.base import PageOut, Storable
from app.domains.accounts.errors import (
    EmailTaken,
    InvalidCredentials,
    InvalidToken,
    LastAdmin,
    OpenLoans,
    PasswordNeeded,
    TooManySignIns,
    UserNotFound,
    WeakPassword,
)
from app.shared.errors import Forbidden, Invalid, NotAuthenticated, Unavailable, Unsupported

router = APIRouter(tags=["accounts"])

_FORM = "application/x-www-form-urlencoded"
_SIGN_IN_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            _FORM: {
                "schema": {
                    "title": "OAuth2 password form",
                    "type": "object",
                    "required": ["username", "password"],
                    "properties": {
                        "grant_type": {"type": "string", "pattern": "^password$"},
                        "username": {"type": "string", "description": "The e-mail address"},
                        "password": {"type": "string", "format": "password"},
                        "scope": {"type": "string"},
                    },
                }
            },
            "application/json": {"schema": SignInIn.model_json_schema()},
        },
    }
}


async def _credentials(request: Request) -> SignInIn:
    """The e-mail and the password, from a form or from JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == _FORM:
            form = await request.form()
            names = {"username": "email", "password": "password"}
            return SignInIn.model_validate({names[n]: v for n, v in form.items() if n in names})
        if kind in ("application/json", ""):
            return SignInIn.model_validate_json(await request.body())
    except ClientDisconnect as error:
        raise Invalid("The connection broke off.") from error
    except ValidationError as error:
        errors = [{**e, "loc": ("body", *e["loc"])} for e in error.errors(include_input=False)]
        raise RequestValidationError(errors) from error
    raise Unsupported(f"Send {_FORM} or application/json.")


@router.post(
    "/auth/signup", status_code=201, responses=problems(EmailTaken, WeakPassword, Unavailable)
)
async def sign_up(body: SignUpIn, accounts: Accounts) -> UserOut:
    user = await accounts.sign_up(body.email, body.password, body.display_name)
    return UserOut.model_validate(user)


@router.post(
    "/auth/login",
    openapi_extra=_SIGN_IN_BODY,
    responses=problems(InvalidCredentials, Unsupported, Invalid, TooManySignIns, Unavailable),
)
async def sign_in(
    request: Request, credentials: Annotated[SignInIn, Depends(_credentials)], accounts: Accounts
) -> TokensOut:
    address = request.client.host if request.client else None
    tokens = await accounts.sign_in(credentials.email, credentials.password, address=address)
    return TokensOut.model_validate(tokens)


@router.post("/auth/refresh", responses=problems(InvalidToken))
async def refresh(body: RefreshIn, accounts: Accounts) -> TokensOut:
    return TokensOut.model_validate(await accounts.refresh(body.refresh_token))


@router.post("/auth/signout", status_code=204, responses=problems(NotAuthenticated))
async def sign_out(
    accounts: Accounts,
    user: CurrentUser,
    session: CurrentSession,
    everywhere: Annotated[bool, Query(description="End all of your sessions")] = False,
) -> None:
    await accounts.sign_out(user, session, everywhere=everywhere)


@router.get("/users/me", responses=problems(NotAuthenticated))
async def me(user: CurrentUser) -> UserOut:
    return UserOut.model_validate(user)


@router.patch("/users/me", responses=problems(NotAuthenticated))
async def rename(body: RenameIn, accounts: Accounts, user: CurrentUser) -> UserOut:
    return UserOut.model_validate(await accounts.rename(user, body.display_name))


@router.delete(
    "/users/me",
    status_code=204,
    responses=problems(
        NotAuthenticated,
        InvalidCredentials,
        PasswordNeeded,
        TooManySignIns,
        Unavailable,
        OpenLoans,
        LastAdmin,
    ),
)
async def erase_account(
    accounts: Accounts, user: CurrentUser, session: CurrentSession, body: EraseIn | None = None
) -> None:
    """Erase the account and what is known of you. Who signed in more than 15 minutes ago sends
    the password again."""
    password = body.password if body else None
    await accounts.erase_account(user, session, password=password)


@router.get(
    "/users/me/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"application/json": {"schema": {"type": "object"}}},
            "description": "All that is kept of you, secrets apart, a list for each kind",
        },
        **problems(NotAuthenticated),
    },
)
async def export_my_data(data: OwnData, user: CurrentUser) -> StreamingResponse:
    """Everything the library keeps of you. The files you brought are at
    `GET /books/{id}/content`, by the ids under `uploads`."""
    headers = {
        "Content-Disposition": 'attachment; filename="luminalib-export.json"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(
        await data.export(user), headers=headers, media_type="application/json"
    )


@router.post(
    "/users/me/password",
    status_code=204,
    responses=problems(
        NotAuthenticated, InvalidCredentials, WeakPassword, TooManySignIns, Unavailable
    ),
)
async def change_password(
    body: PasswordIn, accounts: Accounts, user: CurrentUser, session: CurrentSession
) -> None:
    await accounts.change_password(
        user, session, current=body.current_password, new=body.new_password
    )


@router.get("/users", responses=problems(NotAuthenticated, Forbidden))
async def list_users(
    accounts: Accounts,
    actor: CurrentUser,
    page: Paging,
    q: Annotated[
        str | None, Query(max_length=500, description="Part of address or name"), Storable
    ] = None,
) -> PageOut[UserOut]:
    found = await accounts.list_users(actor, q, page)
    return PageOut[UserOut].of(found, UserOut.model_validate)


@router.patch(
    "/users/{user_id}", responses=problems(NotAuthenticated, Forbidden, UserNotFound, LastAdmin)
)
async def change_user(
    user_id: UUID, body: UserChangeIn, accounts: Accounts, actor: CurrentUser
) -> UserOut:
    user = await accounts.change_user(actor, user_id, role=body.role, disabled=body.disabled)
    return UserOut.model_validate(user)

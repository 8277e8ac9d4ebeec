from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StrictBool, StringConstraints

from app.api.schemas.base import In, Line, Out
from app.domains.accounts.model import Role
from app.domains.accounts.model.passwords import MAX_PASSWORD


def _encodable(text: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not contain lone surrogates")
    return text


DisplayName = Annotated[Line, Field(max_length=100)]
# A password that exists already; what a new one must be is the room's to say.
KnownPassword = Annotated[
    str, StringConstraints(max_length=MAX_PASSWORD), AfterValidator(_encodable)
]


class SignUpIn(In):
    email: Line
    password: str
    display_name: DisplayName | None = None


class SignInIn(In):
    email: Line
    password: KnownPassword


class RefreshIn(In):
    refresh_token: Line


class RenameIn(In):
    display_name: DisplayName


class PasswordIn(In):
    current_password: KnownPassword
    new_password: str


class EraseIn(In):
    password: KnownPassword


class UserChangeIn(In):
    """What is left out stays."""

    role: Role | None = None
    disabled: StrictBool | None = None


class TokensOut(Out):
    """`expires_in` is the life of the access token in seconds."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int
    refresh_token: str


class UserOut(Out):
    id: UUID
    email: str
    display_name: str
    role: Role
    disabled: bool
    created_at: datetime

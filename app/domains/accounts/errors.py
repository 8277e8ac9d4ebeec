from app.shared.errors import Conflict, Forbidden, Invalid, NotAuthenticated, NotFound, TooMany


class EmailTaken(Conflict):
    code = "email_taken"
    title = "There is an account with this e-mail address already"


class InvalidEmail(Invalid):
    title = "That is not an e-mail address"


class WeakPassword(Invalid):
    code = "weak_password"
    title = "That password is too easy to guess"


class InvalidCredentials(NotAuthenticated):
    code = "invalid_credentials"
    title = "E-mail address or password is wrong"


class InvalidToken(NotAuthenticated):
    code = "invalid_token"
    title = "This token is not, or no longer, valid"


class TooManySignIns(TooMany):
    title = "Too many failed sign-ins"


class UserNotFound(NotFound):
    code = "user_not_found"
    title = "There is no such user"


class OpenLoans(Conflict):
    code = "open_loans"
    title = "Return what you have borrowed first"


class PasswordNeeded(Forbidden):
    code = "password_needed"
    title = "Say your password again"


class LastAdmin(Conflict):
    code = "last_admin"
    title = "The library needs an admin: make somebody else one first"

from app.shared.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionFailed,
    TooLarge,
    Unavailable,
)


class BookNotFound(NotFound):
    code = "book_not_found"
    title = "There is no such book"


class DuplicateContent(Conflict):
    code = "duplicate_content"
    title = "The library has this very file already"


class BookOnLoan(Conflict):
    code = "open_loans"
    title = "The book, or the copy, is on loan"


class NotYourBook(Forbidden):
    title = "Only who added the book, or a librarian, may change it"


class MayNotContribute(Forbidden):
    title = "Only librarians add books here"


class ContentNotYours(Forbidden):
    code = "not_borrowed"
    title = "Borrow the book to read it"


class BookChanged(PreconditionFailed):
    title = "The book was changed in the meantime"


class FileTooLarge(TooLarge):
    title = "The file is larger than this library takes"


class UploadSwept(Conflict):
    code = "upload_swept"
    title = "The upload took so long that its file was swept away: send it again"


class FileMissing(Invalid):
    code = "file_missing"
    title = "The form has no file"


class SummaryNotPossible(Conflict):
    code = "not_ingested"
    title = "The file has not been read yet"


class StillBeingRead(Unavailable):
    code = "not_ingested"
    title = "The file is still being read"


class GeneratedTextOff(Conflict):
    code = "ai_disabled"
    title = "This library runs without a language model"


class QueryTooSlow(Unavailable):
    code = "query_too_slow"
    title = "That question takes too long: ask for fewer or rarer words"

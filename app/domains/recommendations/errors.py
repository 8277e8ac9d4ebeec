from app.shared.errors import Invalid, NotFound


class ShowingNotFound(NotFound):
    code = "recommendation_not_found"
    title = "There is no such recommendation of yours"


class BookNotShown(Invalid):
    code = "book_not_recommended"
    title = "That recommendation did not show this book"

from app.shared.errors import Invalid, NotFound, Unavailable


class ShowingNotFound(NotFound):
    code = "recommendation_not_found"
    title = "There is no such recommendation of yours"


class BookNotShown(Invalid):
    code = "book_not_recommended"
    title = "That recommendation did not show this book"


class NoModelYet(Unavailable):
    title = "The recommender has not got to know the library yet"

from app.shared.errors import Conflict, Forbidden, NotFound


class ReviewNotFound(NotFound):
    code = "review_not_found"
    title = "There is no such review of this book"


class AlreadyReviewed(Conflict):
    code = "already_reviewed"
    title = "You have reviewed this book already: change that review"


class NeverBorrowed(Forbidden):
    code = "not_borrowed"
    title = "Borrow the book before you review it"


class NotYourReview(Forbidden):
    title = "Only who wrote the review may do that"

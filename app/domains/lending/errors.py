from app.shared.errors import Conflict


class NoCopyAvailable(Conflict):
    code = "no_copy_available"
    title = "All copies are on loan"


class AlreadyBorrowed(Conflict):
    code = "already_borrowed"
    title = "You have this book already"


class LoanLimitReached(Conflict):
    code = "loan_limit_reached"
    title = "You have as many books as you may have at once"


class NotBorrowed(Conflict):
    code = "not_borrowed"
    title = "You do not have this book on loan"


class RenewalLimitReached(Conflict):
    code = "renewal_limit_reached"
    title = "This loan cannot be renewed again"

"""The steps a story can take, each asked of the library and of the model."""

from collections.abc import Sequence
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from benchmarks.campaigns._compared import LIMITS, OTHER_PASSWORD, Compared
from benchmarks.campaigns._grounds import PASSWORD, form
from benchmarks.campaigns._library_model import RENEWALS, Opinion, Shelved

_some = st.integers(0, 7)
_stars = st.integers(1, 5)
_copies = st.integers(1, 3)


class Story(Compared):
    """A few readers and books of their own; whoever or whatever is gone is still tried."""

    # Who there is

    @initialize()
    def two_readers_and_a_book(self) -> None:
        self._sign_up()
        self._sign_up()
        self.a_book_comes(0, 1)

    @rule()
    @precondition(lambda self: sum(not m.erased for m in self.model.members) < 6)
    def somebody_comes(self) -> None:
        self._sign_up()

    @rule(who=_some)
    @precondition(lambda self: sum(s.alive for s in self.model.sessions) < 8)
    def sign_in(self, who: int) -> None:
        member = self._of(self.model.members, who)
        if not (member.disabled or member.erased):
            self._sign_in(member)

    @rule(which=_some, everywhere=st.booleans())
    def sign_out(self, which: int, everywhere: bool) -> None:
        session = self._session(which)
        path = f"/auth/signout?everywhere={str(everywhere).lower()}"
        if self._agrees(session, "POST", path, 204, partial(self.model.actor, session)):
            session.alive = False
            if everywhere:
                self.model.end_sessions(session.member)

    @rule(which=_some, old=st.booleans())
    def refresh(self, which: int, old: bool) -> None:
        session = self._session(which)
        token = session.spent[0] if old and session.spent else session.refresh
        body = {"refresh_token": token}
        answer = self._agrees(
            None, "POST", "/auth/refresh", 200, partial(self.model.refresh, session, token), body
        )
        if answer:
            session.spent.append(session.refresh)
            tokens = answer.json()
            session.access, session.refresh = tokens["access_token"], tokens["refresh_token"]

    @rule(which=_some)
    def change_password(self, which: int) -> None:
        session = self._session(which)
        member = session.member
        new = OTHER_PASSWORD if member.password == PASSWORD else PASSWORD
        body = {"current_password": member.password, "new_password": new}
        must = partial(self.model.actor, session)
        if self._agrees(session, "POST", "/users/me/password", 204, must, body):
            member.password = new
            self.model.end_sessions(member, but=session)

    @rule(who=_some, role=st.sampled_from(["member", "librarian", "admin"]))
    def give_a_role(self, who: int, role: str) -> None:
        member = self._of(self.model.members, who)
        if self._govern(member, {"role": role}):
            member.role = role

    @rule(who=_some, disabled=st.sampled_from([False, False, False, True]))
    def disable(self, who: int, disabled: bool) -> None:
        member = self._of(self.model.members, who)
        if self._govern(member, {"disabled": disabled}):
            member.disabled = disabled
            if disabled:
                self.model.end_sessions(member)

    @rule(which=_some)
    def erase_account(self, which: int) -> None:
        session = self._session(which)
        body = {"password": session.member.password}
        must = partial(self.model.erase, session)
        self._agrees(session, "DELETE", "/users/me", 204, must, body)

    @rule(limit=st.sampled_from(LIMITS))
    def set_another_limit(self, limit: int) -> None:
        self.world.steps += 1
        self.model.limit = limit

    # Books

    @rule(which=_some, copies=_copies)
    @precondition(lambda self: sum(book.there for book in self.model.books) < 5)
    def a_book_comes(self, which: int, copies: int) -> None:
        session = self._session(which)
        kind, body = form(f"Book {next(self.world.names)} of {self.mark}.", copies=copies)
        headers = {"Authorization": f"Bearer {session.access}", "Content-Type": kind}
        answer = self.world.wait(self._door.ask("POST", "/books", headers, body))
        if self._judged("POST /books", answer, 202, partial(self.model.actor, session)):
            self.model.books.append(Shelved(answer.json()["id"], session.member, copies))

    @rule(which=_some, book=_some, copies=_copies, behind=st.sampled_from([None, 0, 0, 1]))
    def describe(self, which: int, book: int, copies: int, behind: int | None) -> None:
        session, shelved = self._both(which, book)
        version = None if behind is None else shelved.version - behind
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        must = partial(self.model.describe, session, shelved, copies, version)
        path, body = f"/books/{shelved.id}", {"copies": copies}
        if answer := self._agrees(session, "PUT", path, 200, must, body, headers):
            self._same_book(answer.json(), shelved)

    @rule(which=_some, book=_some)
    def withdraw(self, which: int, book: int) -> None:
        session, shelved = self._both(which, book)
        must = partial(self.model.withdraw, session, shelved)
        self._agrees(session, "DELETE", f"/books/{shelved.id}", 204, must)

    # Loans

    @rule(which=_some, books=st.lists(_some, min_size=1, max_size=4))
    def borrow(self, which: int, books: Sequence[int]) -> None:
        session = self._session(which)
        for shelved in (self._book(book) for book in books):
            must = partial(self.model.borrow, session, shelved)
            self._agrees(session, "POST", f"/books/{shelved.id}/borrow", 201, must)

    @rule(which=_some, book=_some)
    def give_back(self, which: int, book: int) -> None:
        session, shelved = self._at_hand(which, book)
        must = partial(self.model.give_back, session, shelved)
        self._agrees(session, "POST", f"/books/{shelved.id}/return", 200, must)

    @rule(which=_some, book=_some, times=st.integers(1, RENEWALS + 1))
    def renew(self, which: int, book: int, times: int) -> None:
        session, shelved = self._at_hand(which, book)
        must = partial(self.model.renew, session, shelved)
        for _ in range(times):
            answer = self._agrees(session, "POST", f"/books/{shelved.id}/renew", 200, must)
            if answer:
                made = shelved.renewals[session.member]
                self._same("renewals", answer.json()["renewals"], made)

    @rule(which=_some, book=_some, times=st.integers(0, RENEWALS + 1), stars=_stars)
    def read_and_review(self, which: int, book: int, times: int, stars: int) -> None:
        """What happens most, in one go: stories would seldom come so far step by step."""
        self.borrow(which, [book])
        if times:
            self.renew(which, book, times)
        self.review(which, book, stars)
        self.look_at_a_book(which, book)
        if times < RENEWALS:
            self.give_back(which, book)

    @rule(which=_some)
    def forget_history(self, which: int) -> None:
        session = self._session(which)
        must = partial(self.model.forget_history, session)
        self._agrees(session, "DELETE", "/users/me/history", 204, must)

    # Reviews

    @rule(which=_some, book=_some, stars=_stars)
    def review(self, which: int, book: int, stars: int) -> None:
        session, shelved = self._at_hand(which, book)
        must = partial(self.model.review, session, shelved)
        path, body = f"/books/{shelved.id}/reviews", {"rating": stars, "text": "It is good."}
        if answer := self._agrees(session, "POST", path, 201, must, body):
            shelved.opinions.append(Opinion(answer.json()["id"], session.member, stars))

    @rule(which=_some, book=_some, opinion=_some, stars=_stars)
    def edit_review(self, which: int, book: int, opinion: int, stars: int) -> None:
        session, shelved = self._both(which, book)
        if said := self._opinion(opinion):
            must = partial(self.model.edit, session, shelved, said, stars)
            body = {"rating": stars, "text": "It is better."}
            path = f"/books/{shelved.id}/reviews/{said.id}"
            self._agrees(session, "PUT", path, 200, must, body)

    @rule(which=_some, book=_some, opinion=_some)
    def withdraw_review(self, which: int, book: int, opinion: int) -> None:
        session, shelved = self._both(which, book)
        if said := self._opinion(opinion):
            must = partial(self.model.withdraw_review, session, shelved, said)
            path = f"/books/{shelved.id}/reviews/{said.id}"
            self._agrees(session, "DELETE", path, 204, must)

    # What is seen of it

    @rule(which=_some, book=_some)
    def look_at_a_book(self, which: int, book: int) -> None:
        session, shelved = self._both(which, book)
        must = partial(self.model.look, session, shelved)
        if answer := self._agrees(session, "GET", f"/books/{shelved.id}", 200, must):
            self._same_book(answer.json(), shelved)

    @rule(which=_some, book=_some)
    def read_the_reviews(self, which: int, book: int) -> None:
        session, shelved = self._both(which, book)
        must = partial(self.model.look, session, shelved)
        if answer := self._agrees(session, "GET", f"/books/{shelved.id}/reviews", 200, must):
            shown = {(each["id"], each["rating"]) for each in answer.json()["items"]}
            self._same("reviews", shown, {(o.id, o.rating) for o in shelved.opinions})

    @rule(which=_some)
    def look_at_my_loans(self, which: int) -> None:
        session = self._session(which)
        must = partial(self.model.actor, session)
        if answer := self._agrees(session, "GET", "/users/me/loans?open=true", 200, must):
            shown = {loan["book_id"] for loan in answer.json()["items"]}
            mine = {book.id for book in self.model.on_loan_to(session.member)}
            self._same("loans", shown, mine)

    @rule(which=_some)
    def look_at_myself(self, which: int) -> None:
        session = self._session(which)
        must = partial(self.model.actor, session)
        if answer := self._agrees(session, "GET", "/users/me", 200, must):
            found = answer.json()
            self._same("me", (found["id"], found["role"]), (session.member.id, session.member.role))

"""Readers sign up and sign in."""

from uuid import uuid4

from demo.reader import Reader
from demo.stage import Stage
from demo.telling import must

_NAMES = ("Mira", "Jonas", "Aiko", "Sam")


def play(stage: Stage) -> None:
    stage.teller.chapter("Four readers sign up")
    stage.teller.say(f"(What is typed is shown without {stage.url} and, later, without the token.)")
    run = uuid4().hex[:6]
    for name in _NAMES:
        email = f"{name.lower()}.{run}@readers.example"
        reader = Reader(name, email, stage.url, stage.teller)
        reader.signs_up()
        stage.readers.append(reader)
    for reader in stage.readers:
        reader.signs_in()
        must(reader.looks("GET", "/users/me")["email"] == reader.email, "everybody is who they are")
    stage.teller.good("Everybody has signed in and holds a token.")

"""Who and what is on the stage while the story is played."""

from dataclasses import dataclass, field

from demo.reader import Json, Reader
from demo.server import OwnServer
from demo.shelf import BookFile
from demo.telling import Teller, must


@dataclass(slots=True)
class Volume:
    """A book of the story in the library. `seconds`: from the upload until its summary
    was there; `mine`: brought by this run, not found there."""

    file: BookFile
    id: str
    mine: bool
    uploaded_at: float
    seconds: float = 0.0
    shown: Json = field(default_factory=dict)
    nodes: int = 0
    asked: int = 0

    @property
    def path(self) -> str:
        return f"/books/{self.id}"

    @property
    def title(self) -> str:
        return str(self.shown.get("title") or self.file.filename)

    @property
    def words(self) -> int:
        return int(self.shown["content"]["words"] or 0)


@dataclass(slots=True)
class Stage:
    """`server` is None when the story is played on somebody's own server."""

    teller: Teller
    url: str
    server: OwnServer | None
    readers: list[Reader] = field(default_factory=list)
    volumes: list[Volume] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unreadable: list[Volume] = field(default_factory=list)

    @property
    def librarian(self) -> Reader:
        """Who brings the books."""
        return self.readers[0]

    @property
    def borrowers(self) -> list[Reader]:
        return self.readers[1:]

    @property
    def favourite(self) -> Volume:
        """The longest book the story brought itself, of which there is one copy."""
        mine = [volume for volume in self.volumes if volume.mine]
        must(mine, "this server had all these books before: withdraw one, or bring others")
        return max(mine, key=lambda volume: volume.words)

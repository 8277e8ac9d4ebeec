"""What the audience sees: chapters, what is typed, what is answered, and progress."""

import shutil
import sys
import textwrap
import time
from typing import TextIO

_WIDTH = 96
_MARGIN = "   "
_PATIENCE = 1.0


class StoryBroken(Exception):
    """A step did not do what it should."""


def must(true: object, what: str) -> None:
    """Raises StoryBroken, in words, unless it is so."""
    if not true:
        raise StoryBroken(what)


class Teller:
    """Tells on a stream; on a terminal in colours, and with a progress that is rewritten."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._width = min(_WIDTH, shutil.get_terminal_size((_WIDTH, 24)).columns)
        self._chapters = 0
        self._pending = ""
        self._told_at = 0.0

    def chapter(self, title: str) -> None:
        self._chapters += 1
        self._line("")
        self._line(self._style("1", f"{self._chapters}. {title}"))

    def say(self, text: str) -> None:
        for line in textwrap.wrap(text, self._width - len(_MARGIN)):
            self._line(_MARGIN + line)

    def quote(self, text: str, *, most: int = 400) -> None:
        short = textwrap.shorten(text, most, placeholder=" …")
        for line in textwrap.wrap(short, self._width - 2 * len(_MARGIN) - 2):
            self._line(f"{_MARGIN}{_MARGIN}{self._style('2', '│')} {line}")

    def row(self, text: str) -> None:
        self._line(_MARGIN + text)

    def typed(self, name: str, command: str) -> None:
        self._line(self._style("36", _MARGIN + self._cut(f"{name} $ {command}")))

    def answered(self, status: int, phrase: str, what: str = "") -> None:
        colour = "32" if status < 400 else "33"
        told = f"{status} {phrase}"
        tail = f"  {what}" if what else ""
        self._line(f"{_MARGIN}  {self._style(colour, told)}{self._cut(tail)}")

    def good(self, text: str) -> None:
        for number, line in enumerate(textwrap.wrap(text, self._width - 5)):
            self._line(_MARGIN + (self._style("32", "✓ ") if number == 0 else "  ") + line)

    def progress(self, text: str) -> None:
        """A line about what goes on; where it cannot be rewritten, one now and then."""
        if self._live:
            self._stream.write(f"\r\033[K{_MARGIN}{self._cut(text)}")
            self._stream.flush()
            self._pending = text
        elif text != self._pending and time.monotonic() - self._told_at > _PATIENCE:
            self._line(_MARGIN + self._cut(text))
            self._pending, self._told_at = text, time.monotonic()

    def _line(self, text: str) -> None:
        clear = "\r\033[K" if self._live and self._pending else ""
        self._pending = ""
        self._stream.write(f"{clear}{text}\n")
        self._stream.flush()

    def _cut(self, text: str) -> str:
        most = self._width - 5
        return text if len(text) <= most else text[: most - 1] + "…"

    def _style(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._live else text

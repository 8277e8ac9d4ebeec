"""A ZIP read under limits, whatever its headers claim; nothing is unpacked to disk."""

import zipfile
import zlib
from typing import BinaryIO

from app.adapters.extraction.limits import Limits
from app.ports.text import UnreadableDocument

_PIECE = 64 * 2**10
_RATIO = 200
_RATIO_FROM = 2**20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1


class MemberMissing(Exception):
    """No such member, or it is damaged."""


class Archive:
    """Members by name. Inflated bytes are counted over the life of the archive."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        """Raises UnreadableDocument for what is no ZIP or has too many members."""
        self._limits = limits
        self._inflated = 0
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise UnreadableDocument("corrupt", "The EPUB's archive is damaged.") from error
        if len(self._zip.infolist()) > limits.members:
            raise UnreadableDocument("too_large", f"An EPUB may hold {limits.members:,} files.")

    def __contains__(self, name: str) -> bool:
        return name in self._zip.NameToInfo

    def read(self, name: str) -> bytes:
        """The inflated bytes of a member. Raises MemberMissing, and UnreadableDocument when
        it grows beyond the limits or is not packed as EPUB allows."""
        try:
            member = self._zip.getinfo(name)
            self._check(member)
            return self._bytes(member)
        except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise MemberMissing(name) from error

    def _check(self, member: zipfile.ZipInfo) -> None:
        if member.flag_bits & _ENCRYPTED:
            raise UnreadableDocument("encrypted", "The EPUB's archive asks for a password.")
        if member.compress_type not in _METHODS:
            raise UnreadableDocument("corrupt", "The EPUB is packed in a way EPUB does not allow.")

    def _bytes(self, member: zipfile.ZipInfo) -> bytes:
        pieces: list[bytes] = []
        size = 0
        with self._zip.open(member) as stream:
            while piece := stream.read(_PIECE):
                pieces.append(piece)
                size += len(piece)
                self._inflated += len(piece)
                self._guard(size, member.compress_size)
        return b"".join(pieces)

    def _guard(self, size: int, packed: int) -> None:
        limits = self._limits
        bomb = size > _RATIO_FROM and size > _RATIO * packed
        if bomb or size > limits.member_bytes or self._inflated > limits.inflated_bytes:
            raise UnreadableDocument("too_large", "The EPUB unpacks to more than a book can be.")

"""What one document may cost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds are of processor and of clock; memory is address space; bytes are inflated.

    The processor's are what ends a hostile file, within half a minute where nothing else runs;
    the clock's are longer, so that a busy machine fails no book.
    """

    cpu_seconds: int = 25
    wall_seconds: float = 120.0
    memory_mib: int = 768
    characters: int = 50_000_000
    pages: int = 10_000
    members: int = 2_000
    member_bytes: int = 20 * 2**20
    inflated_bytes: int = 200 * 2**20

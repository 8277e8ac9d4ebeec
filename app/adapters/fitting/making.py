"""What happens inside the process that fits a model."""

import importlib
import sys
from pathlib import Path
from typing import BinaryIO

from app.adapters.fitting import wire
from app.ports.recommender import Item, Recommender, Snapshot


def received(source: BinaryIO, version: str) -> Snapshot:
    """Raises EOFError when the library does not come whole."""
    items: list[Item] = []
    interactions = wire.PackedInteractions()
    for kind, payload in wire.frames(source):
        if kind == wire.ITEMS:
            items += wire.unpack_items(payload)
        else:
            interactions.add(payload)
    return Snapshot(version, items, interactions)


def made(recommender: str, snapshot: Snapshot, target: Path) -> dict[str, int]:
    """Fit the recommender `module:Name`, save it, and say what came of it."""
    model = named(recommender)
    model.fit(snapshot)
    with target.open("wb") as file:
        model.save(file)
    return {"books": len(model.items), "memory": _most_memory()}


def named(recommender: str) -> Recommender:
    module, _, name = recommender.partition(":")
    found = getattr(importlib.import_module(module), name)()
    assert isinstance(found, Recommender)
    return found


def _most_memory() -> int:
    """Bytes this process had at most; 0 where nobody can tell."""
    try:
        import resource
    except ImportError:
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024

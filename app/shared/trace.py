"""What the current work belongs to: a request, a job, a book. Whoever logs says so without
being told."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_CURRENT: ContextVar[Mapping[str, str]] = ContextVar("trace", default=MappingProxyType({}))


@contextmanager
def traced(**ids: str) -> Iterator[None]:
    """Within the block, and in tasks started there, the work belongs to these ids too."""
    token = _CURRENT.set({**_CURRENT.get(), **ids})
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_trace() -> Mapping[str, str]:
    return _CURRENT.get()

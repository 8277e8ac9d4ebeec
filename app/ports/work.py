"""A unit of work: what happens inside happens wholly or not at all."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from app.ports.audit import AuditTrail
from app.ports.jobs import JobQueue


class UnitOfWork(ABC):
    """`async with begin() as work:` a clean exit commits, an exception rolls back.

    Keep the block short and free of models, parsers and storage. A broken constraint
    leaves the block as the domain error it means; a lost database as Unavailable.
    """

    jobs: JobQueue
    audit: AuditTrail

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

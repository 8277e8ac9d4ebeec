"""Where the answers of a summary tree are kept while it grows."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.domains.catalog.model import SummaryNode
from app.domains.catalog.ports import CatalogWork
from app.ports.clock import Clock
from app.ports.jobs import JobRun


class RunEnded(Exception):
    """The run was cancelled, or another one has taken its place."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The run that may write the summary of a book."""

    book_id: UUID
    run: UUID


class NodeMemory:
    """Keeps each answer in a transaction of its own, together with the progress of the
    claimed summary. Raises RunEnded once the claim is void: that answer is kept, and the last."""

    def __init__(
        self,
        *,
        begin: Callable[[], CatalogWork],
        clock: Clock,
        run: JobRun | None,
        planned: int,
        claim: Claim | None,
    ) -> None:
        self._begin = begin
        self._clock = clock
        self._run = run
        self._planned = planned
        self._claim = claim
        self._done = 0
        # One answer at a time: many at once would take all connections, to wait for one row.
        self._turn = asyncio.Lock()
        self.asked = 0

    async def recall(
        self, keys: Sequence[str], *, aside: bool = False
    ) -> Mapping[str, SummaryNode]:
        """The answers kept, those not that another try may better."""
        async with self._turn, self._begin() as work:
            found = await work.nodes.find(keys)
            known = {key: node for key, node in found.items() if not node.degraded}
            self._done += 0 if aside else sum(key in known for key in keys)
            wanted = await self._advance(work)
        await self._report(wanted)
        return known

    async def keep(self, node: SummaryNode, *, aside: bool = False) -> None:
        async with self._turn, self._begin() as work:
            self._done += not aside
            self.asked += 1
            await work.nodes.keep(node, self._clock.now())
            wanted = await self._advance(work)
        await self._report(wanted)

    async def _advance(self, work: CatalogWork) -> bool:
        """Whether the claim still holds."""
        claim = self._claim
        return not claim or await work.summaries.advance(claim.book_id, claim.run, self._done)

    async def _report(self, wanted: bool) -> None:
        # Not before the answer is kept: it was paid for.
        if not wanted:
            raise RunEnded
        if self._run:
            await self._run.report(self._done, self._planned)


class NoMemory:
    """For what is quickly made again."""

    async def recall(
        self, keys: Sequence[str], *, aside: bool = False
    ) -> Mapping[str, SummaryNode]:
        return {}

    async def keep(self, node: SummaryNode, *, aside: bool = False) -> None:
        return None

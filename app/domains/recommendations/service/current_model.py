"""Which model answers now."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.domains.recommendations.ports import RecommendationsWork
from app.domains.recommendations.service.fitting import FittingService
from app.domains.recommendations.service.fresh_model import Fitted, FreshModel
from app.domains.recommendations.service.popularity import PopularBooks
from app.domains.recommendations.service.published_model import PublishedModel
from app.ports.recommender import Item
from app.shared.errors import Unavailable

log = logging.getLogger(__name__)

_ARRIVALS = 200
# A book may be in the database before the model's snapshot was and be seen only after it.
_OVERLAP = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Small:
    """Up to here a model is fitted on the spot, in less time than a request may take: so few
    loans teach nothing that content does not say, and content is read in no time."""

    books: int = 1000
    loans: int = 500


class CurrentModel:
    """A small library's model is fitted in this process as soon as anything changes. A large
    one's is fitted by a job and published; where it differs from the library, another fit is
    asked for, and the books it does not know yet are kept at hand as `arrivals`. While there
    is no model at all, popularity answers, under its own name.

    What is beyond the model itself is looked at beside the requests, every `look` seconds.
    """

    def __init__(
        self,
        *,
        begin: Callable[[], RecommendationsWork],
        fresh: FreshModel,
        published: PublishedModel,
        popular: PopularBooks,
        fitting: FittingService,
        small: Small | None = None,
        look: float = 5.0,
    ) -> None:
        self._begin = begin
        self._fresh = fresh
        self._published = published
        self._popular = popular
        self._fitting = fitting
        self._small = small or Small()
        self._look = look
        self._is_small: bool | None = None
        self._looking: asyncio.Task[None] | None = None
        self._looked_at = float("-inf")
        self.arrivals: Sequence[Item] = ()

    async def current(self) -> Fitted:
        if self._is_small is None or self._is_small:
            await self._measure()
        if self._is_small:
            found = await self._fresh.current()
        else:
            found = await self._published.current() or self._fresh.latest
            self._look_around()
        return found or await self._popular.current()

    async def _measure(self) -> None:
        """A library that has grown is noticed before it is fitted here."""
        up_to = max(self._small.books, self._small.loans) + 1
        async with self._begin() as work:
            extent = await work.reading.extent(up_to)
        self._is_small = extent.books <= self._small.books and extent.loans <= self._small.loans

    def _look_around(self) -> None:
        due = time.monotonic() - self._looked_at >= self._look
        if due and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._looked())

    async def _looked(self) -> None:
        try:
            await self._fitting.ask_if_due()
            await self._see_arrivals()
            await self._measure()
        except Unavailable as error:
            log.warning("Whether the recommender is up to date is not known: %s", error.detail)
        except Exception:
            log.exception("Whether the recommender is up to date is not known")
        self._looked_at = time.monotonic()

    async def _see_arrivals(self) -> None:
        fitted = self._published.latest
        if fitted is None:
            return
        since = fitted.trained_at - _OVERLAP
        async with self._begin() as work:
            newest = await work.reading.arrived(since, _ARRIVALS)
        self.arrivals = [item for item in newest if item.id not in fitted.items]

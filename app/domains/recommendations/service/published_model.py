"""The newest published model, loaded in this process as soon as it is there."""

import asyncio
import hashlib
import logging
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO, cast
from uuid import UUID

from app.domains.recommendations.model import StoredModel
from app.domains.recommendations.ports import RecommendationsWork
from app.domains.recommendations.service.fresh_model import Fitted
from app.ports.recommender import ModelDamaged, Recommender
from app.ports.storage import ObjectMissing, StorageProvider
from app.shared.errors import Unavailable

log = logging.getLogger(__name__)

_TRIED = 3


class PublishedModel:
    """Looks for a newer model at most every `poll` seconds, beside the requests: the one that
    is there answers meanwhile, and goes on when the newer one cannot be read.

    Only who has none yet waits, for `patience` seconds at most. A file that is gone, damaged
    or of another version is withdrawn, so that the next fit replaces it, and the newest
    earlier one is tried; so it is when a file cannot be loaded for whatever other reason, and
    that file is tried again after `rest` seconds.
    """

    def __init__(
        self,
        *,
        begin: Callable[[], RecommendationsWork],
        storage: StorageProvider,
        new_recommender: Callable[[], Recommender],
        poll: float = 2.0,
        patience: float = 5.0,
        rest: float = 60.0,
    ) -> None:
        self._begin = begin
        self._storage = storage
        self._new_recommender = new_recommender
        self._name = new_recommender().name
        self._poll = poll
        self._patience = patience
        self._rest = rest
        self._tried: dict[UUID, float] = {}
        self._looking: asyncio.Task[None] | None = None
        self._looked_at = float("-inf")
        self.latest: Fitted | None = None

    async def current(self) -> Fitted | None:
        """None where nothing is published that can be read."""
        if time.monotonic() - self._looked_at >= self._poll:
            self._look()
        if self.latest is None and self._looking:
            await asyncio.wait({self._looking}, timeout=self._patience)
        return self.latest

    def _look(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._refresh())

    async def _refresh(self) -> None:
        """Perhaps nobody waits, so a failure ends in the log."""
        try:
            async with self._begin() as work:
                newest = await work.models.published(self._name, _TRIED)
            await self._load_first(newest)
        except Unavailable as error:
            log.warning("No newer recommender model for now: %s", error.detail)
        except Exception:
            log.exception("The newest recommender model could not be loaded")
        self._looked_at = time.monotonic()

    async def _load_first(self, newest: Sequence[StoredModel]) -> None:
        for model in newest:
            if self.latest and model.published_at and model.published_at <= self.latest.trained_at:
                return
            if self._rests(model):
                continue
            try:
                await self._load(model)
            except (ModelDamaged, ObjectMissing) as error:
                self._tried[model.id] = time.monotonic()
                await self._withdraw(model, error)
            except Unavailable:
                raise
            except Exception:
                self._tried[model.id] = time.monotonic()
                log.exception("Recommender model %s could not be loaded", model.version)
            else:
                return

    def _rests(self, model: StoredModel) -> bool:
        tried = self._tried.get(model.id)
        return tried is not None and time.monotonic() - tried < self._rest

    async def _load(self, model: StoredModel) -> None:
        recommender = self._new_recommender()
        with tempfile.TemporaryFile() as file:
            await self._fetch(model, cast(BinaryIO, file))
            items = await asyncio.to_thread(_loaded, recommender, cast(BinaryIO, file))
        assert model.published_at
        self.latest = Fitted(recommender, model.version, model.published_at, items)
        log.info("The recommender answers from model %s of %s", model.version, model.published_at)

    async def _fetch(self, model: StoredModel, file: BinaryIO) -> None:
        digest = hashlib.sha256()
        async for piece in await self._storage.read(model.storage_key):
            await asyncio.to_thread(file.write, piece)
            digest.update(piece)
        if digest.hexdigest() != model.sha256:
            raise ModelDamaged("Its bytes are not those that were published.")
        file.seek(0)

    async def _withdraw(self, model: StoredModel, why: Exception) -> None:
        log.error(
            "Recommender model %s of %s is withdrawn, the last good one goes on: %s",
            model.version, model.published_at, why,
        )  # fmt: skip
        async with self._begin() as work:
            if there := await work.models.find(model.id):
                there.published_at = None


def _loaded(recommender: Recommender, file: BinaryIO) -> Mapping[UUID, int]:
    recommender.load(file)
    return recommender.items

"""The room over fakes: a small library, and somebody who advises on it."""

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from uuid import UUID

import pytest

from app.domains.accounts.model import User
from app.domains.lending.model import Marker
from app.domains.recommendations.service import (
    CurrentModel,
    FittingService,
    FreshModel,
    PopularBooks,
    PublishedModel,
    RecommendationsService,
    Serving,
    SnapshotReader,
)
from app.domains.recommendations.service.current_model import Small
from tests.fakes.clock import FrozenClock
from tests.fakes.recommendations import InMemoryRecommendations, InMemoryShelving
from tests.fakes.recommender import OverlapRecommender
from tests.fakes.storage import InMemoryStorage
from tests.fakes.workshop import InlineWorkshop


@dataclass
class AdviceDesk:
    """A desk of a library that is small up to `small` books; a process is made anew by
    `model` and `service`."""

    library: InMemoryRecommendations = field(default_factory=InMemoryRecommendations)
    clock: FrozenClock = field(default_factory=FrozenClock)
    storage: InMemoryStorage = field(default_factory=InMemoryStorage)
    workshop: InlineWorkshop = field(default_factory=InlineWorkshop)
    small: Small = field(default_factory=Small)
    learns: bool = True
    marker: Marker = field(default_factory=lambda: Marker(b"key"))

    showings: dict[UUID, UUID] = field(default_factory=dict)

    async def show_all(self, reader: User) -> UUID:
        """The id of a showing of every book there is."""
        shown = await self.service().recommend(reader, 100)
        self.showings[reader.id] = shown.recommendation_id
        return shown.recommendation_id

    def snapshots(self) -> SnapshotReader:
        return SnapshotReader(self.library.begin, learns=self.learns)

    def fitting(self) -> FittingService:
        return FittingService(
            begin=self.library.begin,
            snapshots=self.snapshots(),
            workshop=self.workshop,
            storage=self.storage,
            clock=self.clock,
            rest=timedelta(seconds=60),
        )

    def published(self) -> PublishedModel:
        return PublishedModel(
            begin=self.library.begin,
            storage=self.storage,
            new_recommender=OverlapRecommender,
            poll=0,
        )

    def model(self) -> CurrentModel:
        return CurrentModel(
            begin=self.library.begin,
            fresh=FreshModel(
                begin=self.library.begin,
                snapshots=self.snapshots(),
                new_recommender=OverlapRecommender,
                clock=self.clock,
            ),
            published=self.published(),
            popular=PopularBooks(self.library.begin, self.clock),
            fitting=self.fitting(),
            small=self.small,
            look=0,
        )

    def service(
        self,
        *,
        learns: bool = True,
        model: CurrentModel | None = None,
        diversity: float = 0.0,
        explore: float = 0.0,
        seed: int = 0,
    ) -> RecommendationsService:
        self.learns = learns
        return RecommendationsService(
            begin=self.library.begin,
            shelving=InMemoryShelving(self.library),
            model=model or self.model(),
            clock=self.clock,
            marker=self.marker,
            serving=Serving(diversity=diversity, explore=explore, learns=learns),
            chance=Random(seed),
        )


@pytest.fixture
def desk() -> AdviceDesk:
    return AdviceDesk()


@pytest.fixture
def large_desk() -> AdviceDesk:
    """A library nobody fits a model to while a reader waits."""
    return AdviceDesk(small=Small(books=0, loans=0))


async def untold(done: int, planned: int) -> None:
    """Progress nobody looks at."""

"""The room over fakes: a small library, and somebody who advises on it."""

from dataclasses import dataclass, field
from uuid import UUID

import pytest

from app.domains.accounts.model import User
from app.domains.recommendations.service import FreshModel, RecommendationsService
from tests.fakes.clock import FrozenClock
from tests.fakes.recommendations import InMemoryRecommendations, InMemoryShelving
from tests.fakes.recommender import OverlapRecommender


@dataclass
class AdviceDesk:
    library: InMemoryRecommendations = field(default_factory=InMemoryRecommendations)
    clock: FrozenClock = field(default_factory=FrozenClock)

    showings: dict[UUID, UUID] = field(default_factory=dict)

    async def show_all(self, reader: User) -> UUID:
        """The id of a showing of every book there is."""
        shown = await self.service().recommend(reader, 100)
        self.showings[reader.id] = shown.recommendation_id
        return shown.recommendation_id

    def service(self, *, learns: bool = True) -> RecommendationsService:
        return RecommendationsService(
            begin=self.library.begin,
            shelving=InMemoryShelving(self.library),
            model=FreshModel(
                begin=self.library.begin, new_recommender=OverlapRecommender, clock=self.clock
            ),
            clock=self.clock,
            learns_from_history=learns,
        )


@pytest.fixture
def desk() -> AdviceDesk:
    return AdviceDesk()

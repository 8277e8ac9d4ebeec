from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from app.ports.jobs import Job


@dataclass(frozen=True)
class FitRecommender(Job):
    """Fit a model to what the library holds now and publish it to every process."""

    kind: ClassVar[str] = "fit_recommender"

    @property
    @override
    def lock(self) -> str:
        return self.kind

    @property
    @override
    def dedupe(self) -> str:
        return self.kind

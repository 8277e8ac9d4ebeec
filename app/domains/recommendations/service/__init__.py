"""What to read next."""

from app.domains.recommendations.service.current_model import CurrentModel
from app.domains.recommendations.service.fitting import FittingService
from app.domains.recommendations.service.fresh_model import FreshModel
from app.domains.recommendations.service.popularity import PopularBooks
from app.domains.recommendations.service.published_model import PublishedModel
from app.domains.recommendations.service.recommending import (
    RecommendationsService,
    Recommended,
    Serving,
)
from app.domains.recommendations.service.snapshots import SnapshotReader

__all__ = [
    "CurrentModel",
    "FittingService",
    "FreshModel",
    "PopularBooks",
    "PublishedModel",
    "RecommendationsService",
    "Recommended",
    "Serving",
    "SnapshotReader",
]

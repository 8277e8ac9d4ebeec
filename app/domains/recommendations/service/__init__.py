"""What to read next."""

from app.domains.recommendations.service.fresh_model import FreshModel
from app.domains.recommendations.service.recommending import RecommendationsService, Recommended

__all__ = ["FreshModel", "RecommendationsService", "Recommended"]

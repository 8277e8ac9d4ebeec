from app.domains.reviews.service.reviewing import ReviewsService

__all__ = ["ReviewsService"]

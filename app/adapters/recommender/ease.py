"""What readers of one book read besides it, in closed form: EASE."""

from typing_extensions import override

from app.adapters.recommender.content import Content
from app.adapters.recommender.history import History
from app.adapters.recommender.learnt import LearntRecommender
from app.adapters.recommender.linear import EASE, LinearModel
from app.adapters.recommender.reranking import Reranker


class EaseRecommender(LearntRecommender):
    """Collaborative; content only breaks ties, and fills in where readers did too little."""

    name = "ease"
    regularisation = EASE
    content_counts = 0.001

    @override
    def reranker(self, content: Content, history: History, model: LinearModel) -> Reranker | None:
        return None

"""Both at once: what books share inside the linear model, and a re-ranker after it."""

from typing_extensions import override

from app.adapters.recommender.content import Content
from app.adapters.recommender.history import History
from app.adapters.recommender.learnt import LearntRecommender
from app.adapters.recommender.linear import CEASE, LinearModel
from app.adapters.recommender.reranking import Reranker, reranker_of


class HybridRecommender(LearntRecommender):
    name = "hybrid"
    regularisation = CEASE
    content_counts = 0.05

    @override
    def reranker(self, content: Content, history: History, model: LinearModel) -> Reranker | None:
        return reranker_of(content, history, model)

from app.domains.discovery.service.embedding import EmbeddingService
from app.domains.discovery.service.indexing import IndexingService
from app.domains.discovery.service.meaning import Meanings
from app.domains.discovery.service.searching import SearchService, Snippets

__all__ = ["EmbeddingService", "IndexingService", "Meanings", "SearchService", "Snippets"]

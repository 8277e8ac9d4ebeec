from app.domains.discovery.service.indexing import IndexingService
from app.domains.discovery.service.searching import SearchService, Snippets

__all__ = ["IndexingService", "SearchService", "Snippets"]

"""What the library does with its books: shelve, read, summarise."""

from app.domains.catalog.service.ingestion import IngestionService
from app.domains.catalog.service.scrubbing import Findings, ScrubbingService
from app.domains.catalog.service.shelving import ReceivedFile, ShelvingService
from app.domains.catalog.service.summarising import SummaryService

__all__ = [
    "Findings",
    "IngestionService",
    "ReceivedFile",
    "ScrubbingService",
    "ShelvingService",
    "SummaryService",
]

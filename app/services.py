"""Everything the library can do, in one typed bundle."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.domains.accounts.service import AccountsService, AuditService, PersonalDataService
from app.domains.catalog.service import (
    IngestionService,
    ScrubbingService,
    ShelvingService,
    SummaryService,
)
from app.domains.discovery.service import EmbeddingService, IndexingService, SearchService
from app.domains.lending.service import LendingService
from app.domains.recommendations.service import FittingService, RecommendationsService
from app.domains.reviews.service import ReviewsService
from app.ports.jobs import JobBoard
from app.ports.replies import ReplyMemory


@dataclass(frozen=True, slots=True)
class Part:
    """A part the library needs to be ready: `check` returns what to say of it, or raises."""

    name: str
    check: Callable[[], Awaitable[str]]
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Services:
    accounts: AccountsService
    audit: AuditService
    personal_data: PersonalDataService
    shelving: ShelvingService
    ingestion: IngestionService
    scrubbing: ScrubbingService
    summaries: SummaryService
    lending: LendingService
    reviews: ReviewsService
    recommendations: RecommendationsService
    fitting: FittingService
    search: SearchService
    indexing: IndexingService
    embedding: EmbeddingService
    jobs: JobBoard
    replies: ReplyMemory
    parts: tuple[Part, ...]

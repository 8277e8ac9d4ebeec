"""A name in `.env` becomes an adapter: one line each. A new provider is a file and a line."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

from app.adapters.clock.system import SystemClock
from app.adapters.embeddings.local.provider import LocalEmbeddings
from app.adapters.embeddings.ollama import OllamaEmbeddings
from app.adapters.embeddings.openai import OpenAIEmbeddings
from app.adapters.llm.budgeting import Budget, Caps
from app.adapters.llm.caching import CachingLLM
from app.adapters.llm.detect import ollama_answers
from app.adapters.llm.extractive import ExtractiveLLM
from app.adapters.llm.limiting import LimitingLLM
from app.adapters.llm.llamacpp.provider import LlamaCppLLM
from app.adapters.llm.measuring import MeasuringLLM
from app.adapters.llm.ollama import OllamaLLM
from app.adapters.llm.openai import OpenAILLM
from app.adapters.llm.pacing import Pace
from app.adapters.llm.stack import dependable
from app.adapters.recommender.ease import EaseRecommender
from app.adapters.recommender.hybrid import HybridRecommender
from app.adapters.recommender.tfidf import TfidfRecommender
from app.adapters.storage.local import LocalStorage
from app.adapters.storage.s3 import S3Storage
from app.bootstrap.settings import BadSettings, Embeddings, Llm, Settings, Storage
from app.ports.budget import BudgetLedger
from app.ports.embeddings import EmbeddingProvider
from app.ports.files import ListedStorage
from app.ports.llm import LLMProvider
from app.ports.recommender import Recommender

Choice = TypeVar("Choice")

OLLAMA = "http://127.0.0.1:11434"
LLAMA_3 = "llama3"
OPENAI = "https://api.openai.com/v1"

STORAGES: Mapping[str, Callable[[Storage, Path], ListedStorage]] = {
    "local": lambda settings, home: LocalStorage(home / "files"),
    "s3": lambda settings, home: _s3(settings),
}

MODELS: Mapping[str, Callable[[Llm], LLMProvider]] = {
    "extractive": lambda settings: extractive(),
    "ollama": lambda settings: OllamaLLM(
        base_url=settings.base_url or OLLAMA,
        model=settings.model or LLAMA_3,
        context=settings.context,
        timeout=settings.timeout,
    ),
    "openai": lambda settings: OpenAILLM(
        base_url=settings.base_url or OPENAI,
        model=settings.model or "gpt-4o-mini",
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        context=settings.context,
        timeout=settings.timeout,
    ),
    "llamacpp": lambda settings: LlamaCppLLM(
        model=settings.model or "",
        context=settings.context,
        threads=settings.threads,
        timeout=settings.timeout,
    ),
}

EMBEDDINGS: Mapping[str, Callable[[Embeddings], EmbeddingProvider | None]] = {
    "off": lambda settings: None,
    "local": lambda settings: LocalEmbeddings(timeout=settings.timeout),
    "ollama": lambda settings: OllamaEmbeddings(
        base_url=settings.base_url or OLLAMA,
        model=settings.model or "nomic-embed-text",
        timeout=settings.timeout,
    ),
    "openai": lambda settings: OpenAIEmbeddings(
        base_url=settings.base_url or OPENAI,
        model=settings.model or "text-embedding-3-small",
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        timeout=settings.timeout,
    ),
}

RECOMMENDERS: Mapping[str, Callable[[], Recommender]] = {
    "tfidf": TfidfRecommender,
    "ease": EaseRecommender,
    "hybrid": HybridRecommender,
}


def extractive() -> LLMProvider:
    # One text at a time: it computes in this process, and requests want to be answered too.
    return LimitingLLM(ExtractiveLLM(), concurrency=1)


def storage_named(settings: Settings, stack: AsyncExitStack) -> ListedStorage:
    storage = _chosen("STORAGE_PROVIDER", settings.storage.provider, STORAGES)(
        settings.storage, settings.lumina.home
    )
    _closed_with(stack, storage)
    return storage


async def model_named(
    settings: Settings, stack: AsyncExitStack, ledger: BudgetLedger | None = None
) -> LLMProvider:
    """The model behind its wrappers; what it may cost is kept in the ledger. `auto` is the
    Ollama at the usual address, if one answers with a model, else the extractive summariser."""
    llm = settings.llm
    if llm.provider == "auto":
        llm = await _found(llm)
    model = _chosen("LLM_PROVIDER", llm.provider, MODELS)(llm)
    _closed_with(stack, model)
    asked = dependable(
        model,
        concurrency=llm.concurrency,
        pace=Pace(llm.requests_per_minute, llm.tokens_per_minute),
        budget=_budget(llm, ledger),
    )
    # What is known already is no question, so it is not measured as one.
    return _cached(MeasuringLLM(asked), llm.cache_mb)


def embeddings_named(settings: Settings, stack: AsyncExitStack) -> EmbeddingProvider | None:
    """None where search has nothing but words to go by."""
    named = _chosen("EMBEDDINGS_PROVIDER", settings.embeddings.provider, EMBEDDINGS)
    embeddings = named(settings.embeddings)
    if embeddings:
        _closed_with(stack, embeddings)
    return embeddings


def recommender_named(settings: Settings) -> Callable[[], Recommender]:
    return _chosen("RECOMMENDER_PROVIDER", settings.recommender.provider, RECOMMENDERS)


def _budget(llm: Llm, ledger: BudgetLedger | None) -> Budget | None:
    if ledger is None or llm.provider == "extractive":
        return None
    caps = Caps(day=llm.budget_day, user_day=llm.budget_user_day, job=llm.budget_job)
    return Budget(ledger, caps, SystemClock())


def _cached(model: LLMProvider, mebibytes: int) -> LLMProvider:
    return CachingLLM(model, most_bytes=mebibytes * 2**20) if mebibytes else model


async def _found(llm: Llm) -> Llm:
    names = await ollama_answers(llm.base_url or OLLAMA)
    if not names:
        return llm.model_copy(update={"provider": "extractive"})
    model = llm.model or next((n for n in names if n.startswith(LLAMA_3)), names[0])
    return llm.model_copy(update={"provider": "ollama", "model": model})


def _chosen(setting: str, name: str, choices: Mapping[str, Choice]) -> Choice:
    if name not in choices:
        raise BadSettings(f"{setting}: {name!r} is none of {', '.join(sorted(choices))}.")
    return choices[name]


def _closed_with(stack: AsyncExitStack, adapter: object) -> None:
    for name in ("close", "aclose"):
        close: Callable[[], Awaitable[None]] | None = getattr(adapter, name, None)
        if close is not None:
            stack.push_async_callback(close)


def _s3(settings: Storage) -> S3Storage:
    return S3Storage(
        settings.bucket,
        endpoint=settings.endpoint,
        access_key=settings.access_key,
        secret_key=settings.secret_key.get_secret_value() if settings.secret_key else None,
        region=settings.region,
    )

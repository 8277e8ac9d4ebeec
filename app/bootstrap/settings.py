"""Everything that can be set, typed. A name in `.env` that is not here refuses to start."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.shared.errors import Invalid


class BadSettings(Invalid):
    """The detail says which settings, and what would work."""

    code = "bad_settings"
    title = "The settings do not make sense"


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _absent_when_empty(value: str | None) -> str | None:
    return value or None


def _hidden_when_empty(value: SecretStr | None) -> SecretStr | None:
    return value if value and value.get_secret_value() else None


# `STORAGE_ENDPOINT=` in a file means the same as leaving the line out.
Text = Annotated[str | None, AfterValidator(_absent_when_empty)]
Secret = Annotated[SecretStr | None, AfterValidator(_hidden_when_empty)]


def _networks(value: str | None) -> str | None:
    for each in (value or "").split(","):
        if each.strip():
            ip_network(each.strip())
    return value or None


# A name would be trusted from wherever it leads to, and `*` from everywhere.
Networks = Annotated[str | None, AfterValidator(_networks)]
# 0, or nothing, is no limit.
Limit = Annotated[int, BeforeValidator(lambda value: value or 0), Field(ge=0)]


class Server(_Group):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    environment: Literal["development", "production"] = "development"
    metrics: Literal["public", "private"] = "public"
    keep_alive: Annotated[int, Field(ge=1, le=3600)] = 15
    log: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    traces: Text = None
    trusted_proxies: Networks = None


class Home(_Group):
    home: Path = Path("var")


class Database(_Group):
    url: Secret = None
    ca: Annotated[Path | None, BeforeValidator(lambda value: value or None)] = None
    pool: Annotated[int, Field(ge=2, le=100)] = 10
    statement_timeout: Annotated[float, Field(gt=0, le=3600)] = 15.0


class Llm(_Group):
    provider: str = "auto"
    model: Text = None
    base_url: Text = None
    api_key: Secret = None
    context: Annotated[int, Field(ge=512)] = 8192
    concurrency: Annotated[int, Field(ge=1, le=64)] = 2
    timeout: Annotated[float, Field(gt=0)] = 300.0
    threads: Annotated[int, Field(ge=0, le=256)] = 0
    requests_per_minute: Limit = 0
    tokens_per_minute: Limit = 0
    budget_day: Limit = 0
    budget_user_day: Limit = 0
    budget_job: Limit = 0
    cache_mb: Annotated[int, Field(ge=0, le=1024)] = 8


class Embeddings(_Group):
    provider: str = "off"
    model: Text = None
    base_url: Text = None
    api_key: Secret = None
    timeout: Annotated[float, Field(gt=0)] = 120.0


class Storage(_Group):
    provider: str = "local"
    bucket: str = "luminalib"
    endpoint: Text = None
    access_key: Text = None
    secret_key: Secret = None
    region: Text = None
    scrub_days: Annotated[int, Field(ge=0, le=3650)] = 30


class RecommenderChoice(_Group):
    provider: str = "hybrid"
    diversity: Annotated[float, Field(ge=0, le=1)] = 0.1
    explore: Annotated[float, Field(ge=0, le=0.5)] = 0.05


class Tokens(_Group):
    secret: Secret = None


class Accounts(_Group):
    admin_email: Text = None
    admin_password: Secret = None
    password_min: Annotated[int, Field(ge=8, le=128)] = 8
    bcrypt_rounds: Annotated[int, Field(ge=4, le=16)] = 12
    tries_per_address: Limit = 100


class Catalog(_Group):
    contributors: Literal["members", "librarians"] = "members"
    max_upload_mb: Annotated[int, Field(ge=1, le=10_000)] = 200


class Lending(_Group):
    days: Annotated[int, Field(ge=1, le=3650)] = 21
    limit: Annotated[int, Field(ge=1, le=1000)] = 10
    renewals: Annotated[int, Field(ge=0, le=100)] = 2


class Search(_Group):
    snippets: Literal["readers", "all"] = "readers"
    snippet_length: Annotated[int, Field(ge=80, le=2000)] = 300


class Audit(_Group):
    days: Annotated[int, Field(ge=1, le=36_500)] = 365


class Privacy(_Group):
    history: Literal["on", "off"] = "on"


class Ai(_Group):
    enabled: bool = True


class Jobs(_Group):
    embedded: bool = True
    concurrency: Annotated[int, Field(ge=1, le=64)] = 2
    heartbeat: Annotated[float, Field(gt=0)] = 5.0
    stalled_after: Annotated[float, Field(gt=0)] = 20.0
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0

    @model_validator(mode="after")
    def _beats_in_time(self) -> Self:
        # A worker whose sign of life is merely late would lose jobs that it runs.
        if self.stalled_after < 3 * self.heartbeat:
            raise ValueError(
                "JOBS_STALLED_AFTER has to be three times JOBS_HEARTBEAT at least: here "
                f"{3 * self.heartbeat:g}."
            )
        return self


class Postgres(_Group):
    """Compose reads the same `.env`: this is for the database it starts, not for us."""

    password: Secret = None


class Settings(BaseSettings):
    """`LLM_BASE_URL` is `llm.base_url`: a group, then a name in it."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_nested_delimiter="_",
        env_nested_max_split=1,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    server: Server = Server()
    lumina: Home = Home()
    database: Database = Database()
    llm: Llm = Llm()
    embeddings: Embeddings = Embeddings()
    storage: Storage = Storage()
    recommender: RecommenderChoice = RecommenderChoice()
    tokens: Tokens = Tokens()
    accounts: Accounts = Accounts()
    catalog: Catalog = Catalog()
    lending: Lending = Lending()
    search: Search = Search()
    audit: Audit = Audit()
    privacy: Privacy = Privacy()
    ai: Ai = Ai()
    jobs: Jobs = Jobs()
    postgres: Postgres = Postgres()


# What the examples say, and what everybody tries first.
_SAMPLES = ("change-me", "changeme", "secret", "password", "lumina", "example")


def read_settings(**given: Any) -> Settings:
    """The settings from the environment and `.env`; raises BadSettings in plain words."""
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise BadSettings("\n".join(_in_words(e) for e in error.errors())) from error
    if settings.server.environment == "production":
        _refuse_unsafe(settings)
    return settings


def _in_words(error: Any) -> str:
    name = "_".join(str(part).upper() for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{name}: there is no such setting; .env.example lists all of them."
    return f"{name}: {error['msg']}"


def _refuse_unsafe(settings: Settings) -> None:
    faults = [
        *_weak("TOKENS_SECRET", settings.tokens.secret, at_least=32, needed=True),
        *_weak("STORAGE_SECRET_KEY", settings.storage.secret_key, at_least=8),
        *_weak("ACCOUNTS_ADMIN_PASSWORD", settings.accounts.admin_password, at_least=12),
    ]
    if settings.database.url is None:
        faults.append("DATABASE_URL: production needs a database of its own.")
    elif any(f":{sample}@" in settings.database.url.get_secret_value() for sample in _SAMPLES):
        faults.append("DATABASE_URL: that is a sample password.")
    if settings.accounts.bcrypt_rounds < 10:
        faults.append("ACCOUNTS_BCRYPT_ROUNDS: production needs 10 at least.")
    if faults:
        raise BadSettings("\n".join(faults))


def _weak(name: str, secret: SecretStr | None, *, at_least: int, needed: bool = False) -> list[str]:
    if secret is None:
        return [f"{name}: production needs it set."] if needed else []
    value = secret.get_secret_value()
    if any(value.lower().startswith(sample) for sample in _SAMPLES):
        return [f"{name}: that is a sample value."]
    return [f"{name}: give it {at_least} characters at least."] if len(value) < at_least else []

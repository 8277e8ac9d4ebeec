"""A language model: messages in, text out.

ModelFailure
├── ModelUnavailable   nobody answers, or not in time (worth another try later)
│   └── BudgetSpent    the tokens of the day are spent (`ports.budget`; says when it resets)
├── ModelRefused       the request was refused: key, model name, filter (no use to repeat)
│   └── JobBudgetSpent what this job may spend is spent (`ports.budget`)
├── ContextOverflow    the request does not fit the window
└── StructureBroken    the answer does not have the asked-for structure
"""

import math
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from app.shared.errors import LibraryError, Unavailable

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "filter"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens in and out; `estimated` when the server did not count them."""

    tokens_in: int
    tokens_out: int
    estimated: bool


NOTHING = Usage(0, 0, estimated=False)


class ModelFailure(LibraryError):
    """`usage` is what the failed attempt cost all the same; None when nobody knows."""

    code = "model_failed"
    title = "The language model failed"

    def __init__(
        self, detail: str | None = None, *, usage: Usage | None = None, **extra: Any
    ) -> None:
        super().__init__(detail, **extra)
        self.usage = usage


class ModelUnavailable(ModelFailure, Unavailable):
    code = "model_unavailable"
    title = "The language model does not answer"


class ModelRefused(ModelFailure):
    code = "model_refused"
    title = "The language model refused the request"


class ContextOverflow(ModelFailure):
    code = "context_overflow"
    title = "The text does not fit the model's window"


class StructureBroken(ModelFailure):
    code = "structure_broken"
    title = "The model's answer has not the structure that was asked for"


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One question to a model.

    `output_schema` is a flat JSON schema the answer must satisfy (None: free text);
    `task` names what is asked for (a prompt's name), `prompt` is its `name@version#hash`;
    `deadline` is in seconds for the whole answer, waits in line for the model excepted; without
    one the adapter's own timeout bounds each try;
    `seed` is None for another answer each time.
    """

    messages: Sequence[Message]
    task: str
    prompt: str
    output_schema: Mapping[str, Any] | None = None
    max_output_tokens: int = 512
    temperature: float = 0.2
    seed: int | None = 7
    deadline: float = math.inf


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer. `parsed` is the decoded JSON object when a schema was asked for."""

    text: str
    finish_reason: FinishReason
    usage: Usage
    model: str
    parsed: Mapping[str, Any] | None = field(default=None)


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Who answers: provider name, model name, and its window in tokens."""

    provider: str
    model: str
    context: int

    @property
    def reference(self) -> str:
        return f"{self.provider}:{self.model}"


class LLMProvider(ABC):
    """A model somewhere. Knobs it does not have are ignored; an output schema never is."""

    @property
    @abstractmethod
    def card(self) -> ModelCard: ...

    @abstractmethod
    async def complete(self, request: CompletionRequest) -> Completion:
        """Answer the request, or raise a ModelFailure; nothing is ever cut silently.

        With an output schema, `parsed` satisfies it, or StructureBroken is raised.
        """

    @abstractmethod
    async def stream(self, request: CompletionRequest) -> AsyncIterator[str]:
        """Open the answer and return its pieces; fails before the first one or not at all
        unless the connection breaks. Closing the iterator stops the generation."""

    @abstractmethod
    async def check(self) -> None:
        """Return when the model is ready to answer, else raise ModelUnavailable."""

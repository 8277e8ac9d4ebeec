"""The order of the wrappers in production."""

from app.adapters.llm.breaking import BreakingLLM
from app.adapters.llm.limiting import LimitingLLM
from app.adapters.llm.repairing import RepairingLLM
from app.adapters.llm.retrying import RetryingLLM
from app.ports.llm import LLMProvider


def dependable(model: LLMProvider, *, concurrency: int, attempts: int = 3) -> LLMProvider:
    """The model, limited, retried, behind a circuit breaker, its structures repaired.

    Limiting is innermost, so that waiting for another try holds no place in the line;
    repairing is outermost, so that a repair is a call like any other.
    """
    limited = LimitingLLM(model, concurrency=concurrency)
    return RepairingLLM(BreakingLLM(RetryingLLM(limited, attempts=attempts)))

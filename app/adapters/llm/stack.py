"""The order of the wrappers in production."""

from app.adapters.llm.breaking import BreakingLLM
from app.adapters.llm.budgeting import Budget, BudgetingLLM
from app.adapters.llm.limiting import LimitingLLM
from app.adapters.llm.pacing import Pace, PacingLLM
from app.adapters.llm.repairing import RepairingLLM
from app.adapters.llm.retrying import RetryingLLM
from app.ports.llm import LLMProvider

UNHURRIED = Pace()


def dependable(
    model: LLMProvider,
    *,
    concurrency: int,
    attempts: int = 3,
    pace: Pace = UNHURRIED,
    budget: Budget | None = None,
) -> LLMProvider:
    """The model, paced, paid for, limited, retried, behind a circuit breaker, its structures
    repaired. From the inside out:

    - pacing is next to the model, so that each attempt counts, and none that was refused;
    - a budget pays each attempt for itself, and only once it has its place;
    - limiting comes before retrying: waiting for another try holds no place in the line;
    - the breaker sees the outcome of all attempts as one;
    - repairing is outermost, so that a repair is a call like any other.

    A cache goes round all of it: what it knows is neither asked nor paid.
    """
    paced: LLMProvider = PacingLLM(model, pace)
    paid = BudgetingLLM(paced, budget) if budget and budget.caps else paced
    limited = LimitingLLM(paid, concurrency=concurrency)
    return RepairingLLM(BreakingLLM(RetryingLLM(limited, attempts=attempts)))

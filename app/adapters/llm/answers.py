"""What every adapter does before and after it asks: does it fit, and is it an answer."""

from app.adapters.llm.structure import AnswerBroken, parse_answer
from app.ports.llm import (
    NOTHING,
    Completion,
    CompletionRequest,
    ContextOverflow,
    FinishReason,
    ModelCard,
    ModelRefused,
    Usage,
)
from app.shared.cleaning import clean


def refuse_overflow(request: CompletionRequest, *, expected: int, window: int) -> None:
    """Raise ContextOverflow when prompt and answer together exceed the window (tokens)."""
    if expected + request.max_output_tokens > window:
        raise ContextOverflow(
            f"About {expected} tokens and {request.max_output_tokens} for the answer do not fit "
            f"the window of {window}.",
            usage=NOTHING,
        )


def completion(
    request: CompletionRequest, *, text: str, reason: FinishReason, usage: Usage, card: ModelCard
) -> Completion:
    """The answer as the port promises it: with a schema, whole, parsed and satisfying it;
    without characters that no reader sees and no database takes."""
    text = clean(text)
    if request.output_schema is None:
        return Completion(text, reason, usage, card.reference)
    if reason == "filter":
        raise ModelRefused("The model's server filtered the answer.", usage=usage)
    try:
        if reason == "length":
            raise AnswerBroken("it is longer than allowed and was cut off", answer=text)
        parsed = parse_answer(text, request.output_schema)
    except AnswerBroken as broken:
        broken.usage = usage
        raise
    return Completion(text, "stop", usage, card.reference, parsed)

"""What some models want to be told before a text, from the cards their makers publish."""

from collections.abc import Mapping

from app.ports.embeddings import Kind

_REPRESENT = "Represent this sentence for searching relevant passages: "
# By a part of the model's name; the first that fits.
_SAID: Mapping[str, tuple[str, str]] = {
    "nomic-embed": ("search_query: ", "search_document: "),
    "mxbai-embed": (_REPRESENT, ""),
    "snowflake-arctic-embed2": ("query: ", ""),
    "snowflake-arctic-embed": (_REPRESENT, ""),
    "bge-m3": ("", ""),
    "bge-": (_REPRESENT, ""),
    "e5-": ("query: ", "passage: "),
    "embeddinggemma": ("task: search result | query: ", "title: none | text: "),
    "qwen3-embedding": (
        "Instruct: Given a question, retrieve passages that answer it\nQuery: ",
        "",
    ),
}


def instruction(model: str, kind: Kind) -> str:
    """What to write before a text of that kind; empty for a model that wants nothing."""
    query, passage = next((_SAID[part] for part in _SAID if part in model.lower()), ("", ""))
    return query if kind == "query" else passage

"""The local embedding model without the model: see `embedding_program`."""

from pathlib import Path

from app.adapters.embeddings.local.child import Engine

STAND_IN = Engine(Path(__file__).with_name("embedding_program.py"), "json")

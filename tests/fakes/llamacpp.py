"""Models for LlamaCppLLM that are no models: see `llamacpp_program`."""

import json
from pathlib import Path
from typing import Any

from app.adapters.llm.llamacpp.child import Engine

STAND_IN = Engine(Path(__file__).with_name("llamacpp_program.py"), "json")


def model_file(folder: Path, **told: Any) -> Path:
    """A file the stand-in takes for a model: `url=…` of a server, or `error=…`."""
    path = folder / "stand-in.gguf"
    path.write_bytes(b"GGUF" + json.dumps(told).encode())
    return path

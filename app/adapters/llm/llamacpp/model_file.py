"""Whether there is anything to start: the package, the file, the memory for it."""

import importlib.util
from pathlib import Path

from app.ports.llm import NOTHING, ModelUnavailable

_MAGIC = b"GGUF"
_GIB = 2**30


def require_package(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        raise ModelUnavailable(
            "LLM_PROVIDER=llamacpp needs a package that is not installed: "
            "python3 run.py install llamacpp.",
            usage=NOTHING,
        )


def require_model(path: Path | None) -> None:
    """Raises ModelUnavailable in words for whoever sets LLM_MODEL."""
    if path is None:
        raise ModelUnavailable("LLM_MODEL has to be the path of a GGUF file.", usage=NOTHING)
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
        size = path.stat().st_size
    except OSError as error:
        detail = f"The model {path} cannot be read: {error.strerror}."
        raise ModelUnavailable(detail, usage=NOTHING) from error
    if magic != _MAGIC:
        raise ModelUnavailable(f"The model {path} is not a GGUF file.", usage=NOTHING)
    _require_memory(path, size)


def _require_memory(path: Path, size: int) -> None:
    free = free_memory()
    if free is not None and size > free:
        raise ModelUnavailable(
            f"The model {path.name} needs {size / _GIB:.1f} GiB of memory, and "
            f"{free / _GIB:.1f} are free.",
            usage=NOTHING,
        )


def free_memory(
    machine: Path = Path("/proc/meminfo"), container: Path = Path("/sys/fs/cgroup/memory.max")
) -> int | None:
    """Bytes a new process can have, by what Linux and the container say; None elsewhere."""
    found = [*_available(machine), *_limit(container)]
    return min(found, default=None)


def _available(meminfo: Path) -> list[int]:
    fields = dict(line.split(":", 1) for line in _lines(meminfo) if ":" in line)
    kibibytes = fields.get("MemAvailable", "").split()[:1]
    return [int(number) * 1024 for number in kibibytes]


def _limit(maximum: Path) -> list[int]:
    return [int(line) for line in _lines(maximum)[:1] if line.isdecimal()]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("ascii").splitlines()
    except (OSError, ValueError):
        return []

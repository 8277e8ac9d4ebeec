"""What is installed, what the locks say, and what the library needs of it."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from deploy.audit.decisions import EXACTLY, FLOORS, UNWANTED

ROOT = Path(__file__).resolve().parents[2]
RUNTIME, DEVELOPMENT = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
# What makes an environment, and is in no lock.
_OF_THE_ENVIRONMENT = {"pip", "setuptools", "wheel", "luminalib"}
_LOCKED = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[^ ;\\]+)(?: ; (?P<marker>[^\\]+))?")


@dataclass(frozen=True, slots=True)
class Locked:
    name: str
    version: str
    marker: str
    hashes: int

    @property
    def is_for_here(self) -> bool:
        return not self.marker or Marker(self.marker).evaluate()


def locks() -> list[Path]:
    return [*sorted(ROOT.glob("requirements*.lock")), ROOT / ".github/tools/requirements.txt"]


def locked(lock: Path) -> Iterator[Locked]:
    """Each requirement of a lock, whatever platform it is for."""
    text = re.sub(r"^#.*\n", "", lock.read_text("utf-8"), flags=re.MULTILINE)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        found = _LOCKED.match(entry)
        if found is None:
            yield Locked(entry.partition("\n")[0], "", "", 0)
            continue
        name = canonicalize_name(found["name"])
        hashes = entry.count("--hash=sha256:")
        yield Locked(name, found["version"], (found["marker"] or "").strip(), hashes)


def faults_of_lock(lock: Path) -> Iterator[str]:
    """What would let an installation take something else than was meant."""
    if re.search(
        r"--(extra-)?index-url|--find-links|--trusted-host|https?:", lock.read_text("utf-8")
    ):
        yield f"{lock.name} names an address"
    for each in locked(lock):
        if not each.hashes:
            yield f"{lock.name}: {each.name} has no hash"


def installed() -> Mapping[str, Distribution]:
    return {canonicalize_name(each.name): each for each in distributions()}


def differences(there: Mapping[str, str], wanted: Sequence[Locked]) -> Iterator[str]:
    """Where the installed versions are not those of the locks."""
    names = {each.name for each in wanted if each.is_for_here}
    for each in wanted:
        if each.is_for_here and there.get(each.name) != each.version:
            yield f"{each.name} is {there.get(each.name, 'missing')}, locked is {each.version}"
    for name in sorted(there.keys() - names - _OF_THE_ENVIRONMENT):
        yield f"{name} {there[name]} is in no lock"


def too_old(there: Mapping[str, str]) -> Iterator[str]:
    for floor in FLOORS:
        found = there.get(canonicalize_name(floor.package))
        if found and Version(found) < Version(floor.version):
            yield f"{floor.package} {found} is below {floor.version}: {floor.advisory}"
    for name, version in EXACTLY.items():
        if there.get(name) != version:
            yield f"{name} is {there.get(name)} and must be {version}"


def unwanted(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        if name in UNWANTED:
            yield f"{name}: {UNWANTED[name]}"


def needed() -> Mapping[str, set[str]]:
    """Every package the library runs on, with those it needs itself; `luminalib` is the root."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    there = installed()
    graph: dict[str, set[str]] = {"luminalib": set()}
    waiting = [("luminalib", Requirement(line)) for line in project["dependencies"]]
    seen = set()
    while waiting:
        parent, requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        graph.setdefault(parent, set()).add(name)
        graph.setdefault(name, set())
        for extra in {"", *requirement.extras}:
            if (name, extra) not in seen and name in there:
                seen.add((name, extra))
                waiting += [(name, each) for each in _required(there[name], extra)]
    return graph


def _required(package: Distribution, extra: str) -> Iterator[Requirement]:
    for line in package.requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement

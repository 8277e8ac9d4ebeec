"""Under which licence each package comes, as its own metadata says."""

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution

from deploy.audit.decisions import LICENCES, NEVER, PERMISSIVE

_SHORT = 60


def licence_of(package: Distribution) -> str:
    """The expression, else the classifiers, else a short text; empty when nothing is said."""
    if expression := _field(package, "License-Expression"):
        return expression
    classified = [
        line.rpartition(" :: ")[2]
        for line in package.metadata.get_all("Classifier") or ()
        if line.startswith("License :: ")
    ]
    text = _field(package, "License")
    named = [] if len(text) > _SHORT or text in ("UNKNOWN", "Dual License") else [text]
    return " / ".join(filter(None, [*named, *classified]))


def _field(package: Distribution, name: str) -> str:
    return str((package.metadata.get_all(name) or [""])[0]).strip()


def unfit(licences: Mapping[str, str]) -> Iterator[str]:
    """Licences the library may not be run with, or of which nobody has said why it may."""
    for name, licence in licences.items():
        if re.search(NEVER, licence.upper()):
            yield f"{name}: {licence}"
        elif not _is_permissive(licence) and name not in LICENCES:
            yield f"{name}: {licence or 'no licence is named'}"


def _is_permissive(licence: str) -> bool:
    parts = re.split(r" (?:AND|/) ", licence)
    return all(re.search(rf"\b(?:{PERMISSIVE})", part.upper()) for part in parts)


def listed(licences: Mapping[str, str], versions: Mapping[str, str]) -> str:
    """The list as a file."""
    lines = [
        f"| {name} | {versions[name]} | {licence} | {LICENCES.get(name, '')} |"
        for name, licence in sorted(licences.items())
    ]
    return "\n".join(["| package | version | licence | remark |", "|---|---|---|---|", *lines, ""])

"""A bill of materials, CycloneDX 1.6 (ECMA-424), of what the library runs on here.

Written by us and not by the package of that name, which would bring thirty others into the
developers' environment; the release, which has them apart, makes its bill with it.
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

# What a list of SPDX expressions begins with; other words are names.
_EXPRESSION = re.compile(r"(?:[A-Z0-9][\w.+-]*)(?: (?:AND|OR|WITH) [\w.+-]+)*")


def bill(
    graph: Mapping[str, set[str]], versions: Mapping[str, str], licences: Mapping[str, str]
) -> dict[str, Any]:
    """`graph` has the packages each package needs, and `luminalib` as its root. The same
    packages make the same bill."""
    parts = [_component(name, versions[name], licences[name]) for name in sorted(licences)]
    references = {name: _reference(name, versions) for name in graph}
    root = {"type": "application", "name": "luminalib", "bom-ref": "luminalib"}
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": root},
        "components": parts,
        "dependencies": [
            {"ref": references[name], "dependsOn": sorted(references[each] for each in needs)}
            for name, needs in sorted(graph.items())
        ],
    }
    number = uuid5(NAMESPACE_URL, json.dumps(document, sort_keys=True))
    return {**document, "serialNumber": f"urn:uuid:{number}"}


def _reference(name: str, versions: Mapping[str, str]) -> str:
    return name if name == "luminalib" else f"pkg:pypi/{name}@{versions.get(name, '')}"


def _component(name: str, version: str, licence: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name}@{version}"
    spdx = _EXPRESSION.fullmatch(licence)
    named = {"expression": licence} if spdx else {"license": {"name": licence or "unknown"}}
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": purl,
        "bom-ref": purl,
        "licenses": [named],
    }


def differs(document: Mapping[str, Any], locked: Mapping[str, str]) -> list[str]:
    """What is in the bill and not in the lock of the library, or the other way round."""
    listed = {f"{each['name']} {each['version']}" for each in document["components"]}
    wanted = {f"{name} {version}" for name, version in locked.items()}
    return [
        *(f"{each} is in the bill, not in the lock" for each in sorted(listed - wanted)),
        *(f"{each} is in the lock, not in the bill" for each in sorted(wanted - listed)),
    ]

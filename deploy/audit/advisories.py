"""What the world knows of the locked packages: the one question that needs the network."""

import json
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any

from deploy.audit.decisions import ACCEPTED
from deploy.audit.packages import Locked

OSV = "https://api.osv.dev"
_PATIENCE = 60


def known_faults(packages: Sequence[Locked], address: str = OSV) -> Iterator[str]:
    """Advisories of the versions that are locked, but those accepted. Raises OSError."""
    asked = [
        {"package": {"ecosystem": "PyPI", "name": p.name}, "version": p.version} for p in packages
    ]
    answers = _asked(f"{address}/v1/querybatch", {"queries": asked})["results"]
    accepted = {each.advisory for each in ACCEPTED}
    for package, answer in zip(packages, answers, strict=True):
        for found in answer.get("vulns") or ():
            names = {found["id"], *_aliases(f"{address}/v1/vulns/{found['id']}")}
            if not names & accepted:
                yield f"{package.name} {package.version}: {', '.join(sorted(names))}"


def _aliases(address: str) -> Sequence[str]:
    return list(_asked(address, None).get("aliases", ()))


def _asked(address: str, body: object) -> dict[str, Any]:
    if not address.startswith(("https://", "http://127.0.0.1:")):
        raise ValueError("advisories are asked for over TLS")
    sent = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, sent, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310
        return dict(json.load(answer))

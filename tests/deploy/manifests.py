"""What deploy/ says, read as YAML, and what the code and the guide say of the same things."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.operate.guide import GUIDE, ROOT

DEPLOY = ROOT / "deploy"
PORTS = {"lender-ledger": 7400, "court-ledger": 7401, "custodian": 7402, "relay": 7403, "court": 7404}
OPS = {"custodian": 9402, "relay": 9403, "court": 9404}
WAYS = {
    ("custodian", "lender-ledger"),
    ("custodian", "relay"),
    ("relay", "lender-ledger"),
    ("relay", "court-ledger"),
    ("relay", "court"),
    ("court", "court-ledger"),
    ("court", "relay"),
}
"""Who calls whom: docs/operate.md, step 1."""
USER = 10001


def documents() -> list[dict[str, Any]]:
    """Every Kubernetes object."""
    return [
        one for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")) for one in yaml.safe_load_all(path.read_text())
    ]


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    """Those of some kinds."""
    return [one for one in documents() if one["kind"] in kinds]


def workloads() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(name, pod spec, its only container) of everything that runs."""
    for one in of_kind("StatefulSet", "Deployment"):
        pod = one["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        yield one["metadata"]["name"], pod, container


def guide_configs() -> dict[str, str]:
    """Every configuration file that the guide writes, by its path."""
    return dict(re.findall(r"^cat > (\S+) <<'FILE'\n(.*?)^FILE$", GUIDE.read_text(), re.MULTILINE | re.DOTALL))

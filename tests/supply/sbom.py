"""`python3 run.py sbom [--out FILE]`: a CycloneDX bill of materials of all that requirements.txt locks, the same for the same lock."""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parents[2]
LOCKED = re.compile(r"^([a-z0-9._-]+)==([^\s;\\]+)(?: ; ([^\\\n]+))?", re.MULTILINE)
DIGEST = re.compile(r"--hash=sha256:([0-9a-f]{64})")
RANDOM = ("serialNumber",)
"""Members that differ from one making to the next and say nothing of what is in it; the time, too."""


def make_sbom(lock: Path) -> dict[str, Any]:
    """Components with their versions, digests and, where the package says so, licences."""
    licences = LicenseFactory()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    root = Component(
        type=ComponentType.APPLICATION, name=project["name"], version=project["version"],
        bom_ref=project["name"], licenses=[licences.make_from_string(project["license"])],
    )  # fmt: skip
    bom = Bom(components=parts(lock.read_text(), licences))
    bom.metadata.component = root
    bom.register_dependency(root, bom.components)
    made: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    for name in RANDOM:
        made.pop(name, None)
    made["metadata"].pop("timestamp", None)
    return made


def parts(text: str, licences: LicenseFactory) -> list[Component]:
    """Of a lock: each part with the digests of all files that may be taken for it; which one is taken depends on the machine."""
    found = []
    for block in re.split(r"\n(?=[a-z0-9])", text):
        locked = LOCKED.match(block)
        if locked is None:
            continue
        name, version, marker = locked.groups()
        digests = [Property(name="courtrelay:locked:sha256", value=one) for one in DIGEST.findall(block)]
        where = [Property(name="courtrelay:locked:where", value=marker.strip())] if marker else []
        purl = PackageURL("pypi", name=name, version=version)
        said = [licences.make_from_string(one) for one in (_licence(name),) if one]
        found.append(
            Component(
                type=ComponentType.LIBRARY, name=name, version=version, purl=purl, bom_ref=purl.to_string(),
                licenses=said, properties=[*digests, *where],
            )
        )  # fmt: skip
    return found


def _licence(name: str) -> str:
    """As the package declares it; empty where it does not, or is not installed here."""
    try:
        return str(metadata(name).get("License-Expression") or "")
    except PackageNotFoundError:  # of another machine or Python
        return ""


def main() -> int:
    """Write it, and say of how many parts it is."""
    parser = argparse.ArgumentParser(prog="run.py sbom", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "courtrelay.cdx.json", help="file to write")
    chosen = parser.parse_args()
    sbom = make_sbom(ROOT / "requirements.txt")
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(sbom, indent=1) + "\n")
    print(f"{chosen.out}: {len(sbom['components'])} parts")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`python3 run.py sbom [--out FILE]`: a CycloneDX bill of materials of all that requirements.txt locks, the same for the same lock."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("distribution", "distribution-intake")
"""References that would name a package index: where a part came from is the reader's own business, its digests are not."""


def make_sbom(lock: Path) -> dict[str, Any]:
    """Components with their versions, digests and, where the package says so, licences."""
    command = [
        *(sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", str(lock)),
        *("--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "application", "--output-reproducible"),
    ]
    made = subprocess.run([*command, "--of", "JSON", "-o", "-"], capture_output=True, text=True, check=True)
    sbom: dict[str, Any] = json.loads(made.stdout)
    sbom["metadata"].pop("tools", None)
    root = sbom["metadata"]["component"]["bom-ref"]
    for component in sbom["components"]:
        _tidy(component)
    refs = sorted(component["bom-ref"] for component in sbom["components"])
    sbom["components"].sort(key=lambda component: str(component["bom-ref"]))
    sbom["dependencies"] = [{"ref": root, "dependsOn": refs}, *({"ref": ref} for ref in refs)]
    return sbom


def _tidy(component: dict[str, Any]) -> None:
    component["bom-ref"] = component["purl"]
    component.pop("description", None)
    hashes = [one for place in component.pop("externalReferences", ()) for one in place.get("hashes", ())]
    # one of them is the digest of the file that a machine installs: which one depends on the machine
    component["properties"] = [{"name": "courtrelay:locked:sha256", "value": one["content"]} for one in hashes]
    try:
        said = metadata(component["name"])
    except PackageNotFoundError:  # of another machine or Python
        return
    if expression := said.get("License-Expression"):
        component["licenses"] = [{"expression": str(expression), "acknowledgement": "declared"}]


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

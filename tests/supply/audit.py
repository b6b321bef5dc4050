"""`python3 run.py audit`: asks a database of known weaknesses about everything that requirements.txt locks. Needs the network.

The exit code is 1 for a known weakness, 3 when the database could not be asked about every part: no answer is not "none known".
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AUDITOR = "requirements-audit.txt"


def judge(report: dict[str, list[dict[str, object]]]) -> tuple[int, list[str]]:
    """The exit code, and a line for each part that is weak or was not looked up. `report`: what pip-audit writes as JSON."""
    weak, unknown = [], []
    for part in report["dependencies"]:
        if "skip_reason" in part:
            unknown.append(f"{part['name']}: not looked up: {part['skip_reason']}")
        elif found := part.get("vulns"):
            assert isinstance(found, list)
            ids = ", ".join(f"{one['id']} (mended in {', '.join(one['fix_versions']) or 'none yet'})" for one in found)
            weak.append(f"{part['name']} {part['version']}: {ids}")
    return (1 if weak else 3 if unknown else 0), [*weak, *unknown]


def main() -> int:
    """In an environment of its own: the auditor is no part of what it judges."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "venv"
        venv.create(place, with_pip=True)
        python = str(place / "bin" / "python")
        install = [python, "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "-r"]
        subprocess.run([*install, str(ROOT / AUDITOR)], check=True)
        out = Path(scratch) / "report.json"
        asked = [python, "-m", "pip_audit", "--progress-spinner", "off", "--format", "json", "--output", str(out)]
        locked = ["--requirement", str(ROOT / "requirements.txt"), "--require-hashes", "--disable-pip"]
        done = subprocess.run([*asked, *locked], capture_output=True, text=True, check=False)
        if not out.exists():
            print(f"the database of weaknesses could not be asked: {done.stderr.strip().splitlines()[-1]}")
            return 3
        report = json.loads(out.read_text())
    code, lines = judge(report)
    print("\n".join(lines))
    print(
        f"{len(report['dependencies'])} parts, {('no known weakness', 'KNOWN WEAKNESSES', '', 'NOT ALL LOOKED UP')[code]}"
    )
    return code


if __name__ == "__main__":
    sys.exit(main())

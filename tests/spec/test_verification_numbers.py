"""verification.md, verdict.md and bundle.md say what the code does: steps, verdicts, limits."""

from __future__ import annotations

import io
import re
from pathlib import Path

from relay.core import limits
from relay.core.bundlezip import FileSource
from relay.core.trust import parse_trust_roots
from relay.core.verdict import DOES_NOT_PROVE, Finding
from relay.core.verify import verify_bundle
from tests.support.bundles import make_home

SPEC = Path(__file__).resolve().parents[2] / "docs" / "spec"


def test_steps_have_the_same_numbers_and_names(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    trust = parse_trust_roots((home / "trust.json").read_bytes())
    verdict = verify_bundle(FileSource(io.BytesIO(b"nothing")), trust, {})
    told = re.findall(r"^## ([0-9]+)\. (.+)$", (SPEC / "verification.md").read_text(), re.MULTILINE)
    assert told == [(str(step.number), step.name) for step in verdict.steps]


def test_verdicts_are_these_seven() -> None:
    rows = re.findall(r"^\| ([A-Z_]{5,}) \|", (SPEC / "verdict.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(finding.value for finding in Finding)
    assert len(DOES_NOT_PROVE) == 3


def test_limits_of_the_bundle_are_those_of_the_code() -> None:
    text = (SPEC / "bundle.md").read_text()
    for name in (
        "BUNDLE_BYTES_MAX",
        "BUNDLE_PARTS_MAX",
        "BUNDLE_ANCHORS_MAX",
        "BUNDLE_SMALL_PART_BYTES_MAX",
        "BUNDLE_MANIFEST_BYTES_MAX",
    ):
        assert f"{getattr(limits, name):,}" in text, name


def test_every_link_between_the_documents_leads_somewhere() -> None:
    for path in SPEC.glob("*.md"):
        for target in re.findall(r"\]\(([a-z0-9-]+\.md)", path.read_text()):
            assert (SPEC / target).exists(), f"{path.name} → {target}"

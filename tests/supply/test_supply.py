"""A release's bill of materials, wheel and audit."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.supply.audit import judge
from tests.supply.sbom import ROOT, make_sbom
from tests.supply.wheel import BUILDER, build_twice

LOCKED = re.compile(r"^([a-z0-9._-]+)==([^\s;]+)", re.MULTILINE)


def test_bill_of_materials_names_every_locked_part_and_no_address() -> None:
    sbom = make_sbom(ROOT / "requirements.txt")
    parts = {(part["name"], part["version"]) for part in sbom["components"]}
    assert parts == set(LOCKED.findall((ROOT / "requirements.txt").read_text()))
    text = json.dumps(sbom["components"])
    assert "://" not in text
    assert all(part["properties"] for part in sbom["components"])
    assert sum("licenses" in part for part in sbom["components"]) > len(parts) // 3
    assert sbom["bomFormat"] == "CycloneDX"


def test_bill_of_materials_is_the_same_for_the_same_lock() -> None:
    assert make_sbom(ROOT / "requirements.txt") == make_sbom(ROOT / "requirements.txt")


def test_the_wheel_is_the_same_from_two_clones(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this folder is no clone")
    pytest.importorskip("hatchling")
    first, second = build_twice(tmp_path)
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()
    names = zipfile.ZipFile(first).namelist()
    assert "relay/core/verify.py" in names
    assert "relay/words/catalogues/zh-CN/names.po" in names
    assert not [name for name in names if name.startswith(("tests/", "bench/"))]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", BUILDER, "requirements-audit.txt"])
def test_every_lock_has_a_digest_for_each_part_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "index" not in text.split("==")[0]
    for block in re.split(r"\n(?=[a-z0-9])", text):
        if LOCKED.match(block):
            assert "--hash=sha256:" in block, block.splitlines()[0]


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ({"name": "a", "version": "1", "vulns": []}, 0),
        ({"name": "a", "version": "1", "vulns": [{"id": "X-1", "fix_versions": []}]}, 1),
        ({"name": "a", "skip_reason": "not found"}, 3),
    ],
)
def test_no_answer_is_not_no_weakness(part: dict[str, object], code: int) -> None:
    assert judge({"dependencies": [part]})[0] == code


def test_programs_load_here_what_they_load_where_only_the_runtime_is_installed() -> None:
    """A part that tests bring along and a library takes up by itself would make every start another one than in production."""
    code = "import json, sys, relay.cli; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    of = packages_distributions()
    locked = {normal(name) for name, _ in LOCKED.findall((ROOT / "requirements.txt").read_text())} | {"courtrelay"}
    named = {module: {normal(one) for one in of[module]} for module in json.loads(done.stdout) if module in of}
    strangers = [module for module, parts in named.items() if not parts & locked]
    known = {
        "_distutils_hack",
        "grpc_tools",
    }  # of every Python with setuptools; taken up by grpc where it is there, and small
    assert set(strangers) <= known


def normal(name: str) -> str:
    """As PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()

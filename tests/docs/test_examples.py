"""The programs printed in docs/integrate-lender.md, run as they stand there against a custodian."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.app.initialise import initialise
from tests.conformance.javascript import MODULES, need_node
from tests.docs.texts import ROOT, text
from tests.support.command import PATIENCE_S, environment, serving


def example(language: str) -> str:
    """The block of that language."""
    (found,) = re.findall(
        rf"^```{language} example=deposit\n(.*?)^```$",
        text(ROOT / "docs/integrate-lender.md"),
        re.MULTILINE | re.DOTALL,
    )
    return str(found)


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `home`, whose custodian and ledger run, and no relay: grants wait for it."""
    folder = tmp_path_factory.mktemp("lender")
    home = initialise(folder / "home", base_port=0, validators=1, threshold=1).home
    (folder / "proto").symlink_to(ROOT / "proto")
    with serving(home, "lender-ledger"), serving(home, "custodian"):
        yield folder


def run(folder: Path, *command: str) -> list[str]:
    done = subprocess.run(
        command, cwd=folder, env={**environment(), "NODE_PATH": str(MODULES)}, capture_output=True, text=True, check=False,
        timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_python_deposits_and_grants_and_a_second_time_gets_the_same(lender: Path) -> None:
    first = run(lender, sys.executable, "-c", example("python"))
    later = "import time; now = time.time; time.time = lambda: now() + 60\n"
    again = run(lender, sys.executable, "-c", later + example("python"))
    assert [first[0], again[0]] == ["stored 0", "stored 1"]
    assert re.fullmatch(r"grant [0-9a-f]{64}", first[1])
    assert first[1:] == again[1:]


def test_javascript_deposits(lender: Path) -> None:
    need_node()
    (lender / "deposit.js").write_text(example("js"))
    node = shutil.which("node") or os.devnull
    assert run(lender, node, "deposit.js") == ["stored 0"]
    assert run(lender, node, "deposit.js") == ["stored 1"]

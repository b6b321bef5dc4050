"""The README's own commands, run as they stand there, in an empty folder."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.support.command import ROOT, all_confirmed, await_status, environment, serving
from tests.support.ports import base_port


def blocks() -> list[str]:
    """The shell blocks of "Your own records"."""
    text = (ROOT / "README.md").read_text()
    section = text.split("## Your own records", 1)[1].split("## Exit codes", 1)[0]
    found = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert len(found) == 5
    return found


def shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a block; `courtrelay` is the command of this checkout."""
    prelude = f'courtrelay() {{ "{sys.executable}" -m relay.cli "$@"; }}\nset -e\n'
    return subprocess.run(
        ["bash", "-c", prelude + script], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )


def test_a_new_user_follows_the_readme(tmp_path: Path) -> None:
    network, folder, grant, retrieve, verify = blocks()
    init, serve = network.strip().split("\n")
    assert serve.startswith("courtrelay serve all --home home")
    assert shell(f"{init} --base-port {base_port()}", tmp_path).returncode == 0
    with serving(tmp_path / "home"):
        deposited = shell(folder, tmp_path)
        assert deposited.returncode == 0, deposited.stderr
        assert "1 dossiers stored, 0 refused" in deposited.stdout
        await_status(tmp_path / "home", "confirmed", all_confirmed(2))
        issued = shell(grant, tmp_path)
        assert issued.returncode == 0, issued.stderr
        digest = re.findall(r"\b[0-9a-f]{64}\b", issued.stdout)
        assert len(digest) == 2
        assert digest[0] == digest[1]
        assert "registered" in issued.stdout
        retrieved = shell(retrieve, tmp_path)
        assert retrieved.returncode == 0, retrieved.stderr + retrieved.stdout
        assert "CONSISTENT: All 2 records" in retrieved.stdout
    verified = shell(verify, tmp_path)
    assert verified.returncode == 0, verified.stderr
    assert "step 14" in verified.stdout


def test_bundle_verifies_on_an_empty_machine_without_network(tmp_path: Path) -> None:
    """In a network namespace without any interface, with nothing of the home but the trust roots."""
    network, folder, grant, retrieve, _ = blocks()
    assert shell(f"{network.split(chr(10))[0]} --base-port {base_port()}", tmp_path).returncode == 0
    with serving(tmp_path / "home"):
        assert shell(folder, tmp_path).returncode == 0
        await_status(tmp_path / "home", "confirmed", all_confirmed(2))
        assert shell(grant + retrieve, tmp_path).returncode == 0
    lonely = tmp_path / "elsewhere"
    lonely.mkdir()
    (tmp_path / "loan-7.zip").rename(lonely / "bundle.zip")
    (tmp_path / "home/trust.json").rename(lonely / "trust.json")
    command = [sys.executable, "-m", "relay.cli", "verify", "bundle.zip", "--trust", "trust.json", "--json"]
    blocker = "import socket\ndef refuse(*a, **k): raise OSError('no network here')\nsocket.socket.connect = refuse\n"
    (lonely / "sitecustomize.py").write_text(blocker)
    env = {**environment(), "PYTHONPATH": f"{lonely}:{ROOT}", "HOME": str(lonely / "nowhere")}
    done = subprocess.run(command, cwd=lonely, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "CONSISTENT"

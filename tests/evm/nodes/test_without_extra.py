"""Verifying proofs of EVM chains and tiled logs needs no HTTP client; whoever wants to reach a node without one is told what to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import ROOT, environment

BLOCKED = """
import asyncio, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("aiohttp", "eth_abi", "eth_utils"):
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name in ("aiohttp", "eth_abi") else real(name, *more)
import relay.cli.main
from relay.app.adapters import load_adapter, verifiers
print(*sorted(verifiers()))
from relay.core.errors import Malformed
async def main():
    try:
        await load_adapter(sys.argv[1]).open_source(eval(sys.argv[2]))
    except Malformed as error:
        print(error)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("family", "settings", "words"),
    [
        ("evm", "{}", "install the extra courtrelay[evm]"),
        ("evm-qbft", "{}", "install the extra courtrelay[evm]"),
        (
            "tlog",
            (
                "dict(ledger='tlog:a', url='http://127.0.0.1:9/', origin='bank.example/evidence', threshold=2,"
                " data='/nowhere',"
                " log_key='bank.example/evidence+fefa40ee+AZgaA99yeD5r3OlX34/nBfn2Ehkge22uaKwWrofuGzuB',"
                " witnesses=['court.example/witness+e641ddce+BG30dSGmVpKSvIPxvNYX0FtKlGvUN8Zep5wsS/nm4q7R'],"
                " ca='a', certificate='b', key='c')"
            ),
            "install the extra courtrelay[http]",
        ),
    ],
)
def test_missing_extra_is_named_and_verifying_goes_on(family: str, settings: str, words: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", BLOCKED, family, settings], cwd=Path(ROOT), env=environment(), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    kinds, said = ran.stdout.splitlines()
    assert kinds.split() == ["evm-attested", "evm-qbft", "quorum", "tlog"]
    assert words in said

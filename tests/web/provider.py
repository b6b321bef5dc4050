"""The OpenID provider of tests/web/provider.mjs as a process."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.tools import TOOLS

CLIENT = "court-pages"
SECRET = "the court's secret & 100 % odd/characters"


@contextmanager
def running_provider(redirect: str) -> Iterator[str]:
    """Its issuer. Skips where there is none."""
    node = shutil.which("node")
    if node is None or not (TOOLS / "oidc-provider").is_dir():
        pytest.skip("no OpenID provider: it needs Node, and the npm package oidc-provider under .venv/tools")
    script = Path(__file__).with_name("provider.mjs")
    command = [node, str(script), str(TOOLS), CLIENT, SECRET, redirect]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        issuer = process.stdout.readline().strip()
        assert issuer.startswith("http://localhost:")  # another site than 127.0.0.1, where the pages are
        yield issuer
    finally:
        process.terminate()
        process.wait()


def oidc_table(issuer: str, secret_file: str) -> str:
    """What a court's configuration says of it."""
    return f"""
[web.oidc]
issuer = "{issuer}"
client_id = "{CLIENT}"
client_secret = "file:{secret_file}"
claim = "groups"

[web.oidc.roles]
judges = ["judge"]
clerks = ["clerk", "auditor"]
"""

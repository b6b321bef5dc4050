"""`courtrelay probe`: what a supervisor asks a role on its own host."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from relay.app.free_ports import free_ports
from relay.app.initialise import initialise
from relay.app.probe import probe
from relay.core.errors import Malformed, Unavailable
from relay.telemetry.health import Component, Health
from relay.transport.credentials import TlsFiles
from relay.transport.servers import serving


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A relay that listens on all addresses, as in a container."""
    made = initialise(tmp_path / "home", base_port=0, validators=1, threshold=1).home
    listen_on(made, f"0.0.0.0:{free_ports(1)[0]}")
    return made


def listen_on(home: Path, address: str) -> None:
    path = home / "relay/config.toml"
    path.write_text(re.sub(r'^listen = ".*"$', f'listen = "{address}"', path.read_text(), count=1, flags=re.MULTILINE))


async def asked(home: Path, problem: str, *, ready: bool) -> str:
    """What `probe` says of a server whose only component has this problem."""

    async def look() -> str:
        return problem

    disk = Component(kind="disk", name="data", look=look, needed=True)
    health = Health("relay", [disk], now_ms=lambda: 0, sleep=asyncio.sleep)
    tls = TlsFiles(ca=home / "relay/ca.pem", certificate=home / "relay/tls.pem", key=home / "relay/tls.key")
    address = (home / "relay/config.toml").read_text().split('listen = "', 1)[1].split('"', 1)[0]
    async with serving([], address=address, tls=tls, allow={}, health=health):
        await health.look()
        return await probe("relay", home, None, ready=ready)


async def test_a_role_that_is_ready_is_ready_and_alive(home: Path) -> None:
    assert (await asked(home, "", ready=True)).endswith("is ready")
    assert (await asked(home, "", ready=False)).endswith("is ready")


async def test_a_role_that_is_not_ready_lives_all_the_same(home: Path) -> None:
    with pytest.raises(Unavailable, match="answers and is not ready"):
        await asked(home, "full", ready=True)
    assert (await asked(home, "full", ready=False)).endswith("alive and not ready")


async def test_a_role_that_is_not_there_is_told_in_one_line(home: Path) -> None:
    for ready in (True, False):
        with pytest.raises(Unavailable):
            await probe("relay", home, None, ready=ready)


async def test_what_cannot_be_asked_says_why(home: Path) -> None:
    with pytest.raises(Malformed, match="none of"):
        await probe("judge", home, None, ready=True)
    listen_on(home, "127.0.0.1:0")
    with pytest.raises(Malformed, match="takes a free port"):
        await probe("relay", home, None, ready=True)

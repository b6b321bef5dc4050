"""A connection that has gone silent is given up long before a minute has passed, and an idle one that is alive is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from grpc._cython import cygrpc

from relay.core.errors import Unavailable
from relay.core.identity import Role
from relay.transport import channels, servers
from relay.transport.channels import channel
from tests.support.blackhole import Line
from tests.support.echo import Echo, issued, say, served

PATIENT_S = 45.0
"""A call's own deadline: later than the connection is given up, earlier than gRPC would do it by itself."""


async def test_silent_connection_ends_before_a_patient_call_does(authority: Path, tmp_path: Path) -> None:
    files = issued(authority, tmp_path / "o", Role.OPERATOR)
    async with served(authority, Echo(), tmp_path) as target, Line(target) as line, channel(line.address, files) as far:
        assert await say(far) == b"hello"
        line.silence()
        with pytest.raises(Unavailable) as refusal:
            await say(far, timeout=PATIENT_S)
        assert "deadline" not in str(refusal.value).lower()
        line.heal()
        assert await said_again(far) == b"hello"
        assert line.swallowed > 0


async def said_again(far: Any) -> bytes:
    """The first call after the silence may still find the connection that is being given up."""
    try:
        return await say(far, timeout=PATIENT_S)
    except Unavailable:
        return await say(far, timeout=PATIENT_S)


async def test_line_that_is_healed_lets_new_connections_pass_and_leaves_old_ones_dead(
    authority: Path, tmp_path: Path
) -> None:
    files = issued(authority, tmp_path / "o", Role.OPERATOR)
    async with served(authority, Echo(), tmp_path) as target, Line(target) as line, channel(line.address, files) as old:
        assert await say(old) == b"hello"
        line.silence()
        line.heal()
        with pytest.raises(Unavailable):
            await say(old, timeout=0.5)
        async with channel(line.address, files) as new:
            assert await say(new) == b"hello"


@pytest.mark.parametrize("options", [channels.OPTIONS, servers.OPTIONS], ids=["client", "server"])
def test_every_option_is_one_that_grpc_knows(options: tuple[tuple[str, int], ...]) -> None:
    """An unknown name is not refused, it does nothing: the wrong one lets a server end connections for their pings."""
    known = Path(cygrpc.__file__).read_bytes()
    for name, _ in options:
        assert name.encode() + b"\x00" in known, name

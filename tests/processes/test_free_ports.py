"""Ports for development networks."""

from __future__ import annotations

import socket

import pytest

from relay.app import free_ports as module
from relay.app.free_ports import HIGHEST, LOWEST, free_ports
from relay.core.errors import Unavailable


def test_ports_are_different_free_and_outside_the_range_of_outgoing_calls() -> None:
    found = free_ports(50)
    assert len(set(found)) == 50
    assert all(LOWEST <= port <= HIGHEST for port in found)
    for port in found:
        with socket.socket() as one:
            one.bind(("127.0.0.1", port))


def test_a_port_in_use_is_passed_over_and_none_left_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(module, "LOWEST", port)
        monkeypatch.setattr(module, "HIGHEST", port)
        with pytest.raises(Unavailable, match="no 1 free ports"):
            free_ports(1)

"""Ports for development networks."""

from __future__ import annotations

import socket

import pytest

from relay.app import free_ports as module
from relay.app.free_ports import HIGHEST, LOWEST, free_ports
from relay.core.errors import Unavailable
from tests.support.ports import narrow


def test_ports_are_different_free_and_outside_the_range_of_outgoing_calls() -> None:
    found = free_ports(50)
    assert len(set(found)) == 50
    assert all(LOWEST <= port <= HIGHEST for port in found)
    for port in found:
        with socket.socket() as one:
            one.bind(("127.0.0.1", port))


def test_a_port_given_once_is_not_given_again_though_nobody_listens_there() -> None:
    """A network that is stopped for a while keeps its ports: another test's must not take them."""
    given = [port for _ in range(500) for port in free_ports(12)]
    assert len(set(given)) == len(given)


def test_workers_have_ports_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = []
    for worker in ("gw0", "gw1", "gw2"):
        with monkeypatch.context() as one:
            one.setattr(module, "LOWEST", 20_000)
            one.setattr(module, "HIGHEST", 20_999)
            narrow(worker, 3)
            parts.append(range(module.LOWEST, module.HIGHEST + 1))
    assert [(part[0], part[-1]) for part in parts] == [(20_000, 20_332), (20_333, 20_665), (20_666, 20_998)]


def test_a_port_in_use_is_passed_over_and_none_left_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(module, "LOWEST", port)
        monkeypatch.setattr(module, "HIGHEST", port)
        with pytest.raises(Unavailable, match="no 1 free ports"):
            free_ports(1)

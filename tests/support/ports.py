"""Ports of the suite's own networks: no worker gets one that another may have given to a network which does not listen yet."""

from __future__ import annotations

from relay.app import free_ports as module
from relay.app.initialise import PORTS


def narrow(worker: str, workers: int) -> None:
    """This process is `worker` ("gw0", "gw1", ...) of so many: from now on it gives ports of its own part of the range only."""
    part = (module.HIGHEST - module.LOWEST + 1) // max(workers, 1)
    first = module.LOWEST + part * int(worker.removeprefix("gw"))
    vars(module).update(LOWEST=first, HIGHEST=first + part - 1)


def base_port() -> str:
    """For `courtrelay init --base-port`: as many free ports in a row, from this one on, as a network has."""
    while True:
        found = module.free_ports(len(PORTS))
        if found == list(range(found[0], found[0] + len(PORTS))):
            return str(found[0])

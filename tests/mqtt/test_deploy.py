"""The broker's configuration and access list in deploy/, with a real broker and a development network's certificates."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from relay.app.initialise import IDENTITIES, initialise
from relay.core.errors import Denied, Unavailable
from relay.core.identity import Role
from relay.core.topics import Topics
from relay.transport.broker import BrokerSettings, BrokerTls, connected
from tests.mqtt.broker import Mosquitto, certificate, until
from tests.support.command import ROOT

EXAMPLE = ROOT / "deploy/mosquitto"
ROLES = ("custodian", "relay", "court")


class Deployed(Mosquitto):
    """As the example says, but for its port and its files' folder."""

    def __init__(self, folder: Path, files: Path) -> None:
        super().__init__(folder)
        acl = folder / "acl"
        acl.write_text((EXAMPLE / "acl").read_text())
        acl.chmod(0o644)
        text = (EXAMPLE / "mosquitto.conf").read_text().replace("listener 8883", f"listener {self.port} 127.0.0.1")
        text = text.replace("/etc/mosquitto/courtrelay/acl", str(acl)).replace("/etc/mosquitto/courtrelay", str(files))
        (folder / "mosquitto.conf").write_text(f"{text}\nuser root\n")


async def test_each_role_writes_its_own_topics_and_each_desk_reads_what_concerns_it(tmp_path: Path) -> None:
    home = initialise(tmp_path / "home", base_port=0, validators=1, threshold=1).home
    broker = Deployed(tmp_path / "m", certificate(home, "broker", Role.LEDGER))
    broker.start()

    def settings(folder: Path) -> BrokerSettings:
        tls = BrokerTls(ca=home / "ca/ca.pem", certificate=folder / "tls.pem", key=folder / "tls.key")
        return broker.settings(tls=tls)

    bases = {role: Topics("courtrelay", IDENTITIES[role]).base for role in ROLES}
    try:
        async with connected(settings(home / "relay-desk"), "desk") as desk:
            await desk.subscribe("#")
            for role in ("custodian", "court", "relay"):
                async with connected(settings(home / role), role) as link:
                    await link.publish(f"{bases[role]}/health", role.encode())
                    for other in set(ROLES) - {role}:
                        with pytest.raises(Denied, match="access list"):
                            await link.publish(f"{bases[other]}/health", b"forged")
            assert await until(desk, b"") == b"relay"
            with pytest.raises(Denied, match="access list"):
                await desk.publish(f"{bases['relay']}/health", b"forged")
        plain = BrokerTls(ca=home / "ca/ca.pem", certificate=None, key=None)
        with pytest.raises(Unavailable, match="may want another certificate"):
            async with connected(broker.settings(tls=plain), "nobody"):
                raise AssertionError("somebody without a certificate was let in")
    finally:
        broker.kill()


def test_access_list_names_every_role_of_a_development_network() -> None:
    users = set(re.findall(r"^user (\S+)$", (EXAMPLE / "acl").read_text(), re.MULTILINE))
    wanted = {IDENTITIES[name].name for name in (*ROLES, "lender-desk", "relay-desk", "court-desk")}
    assert users == wanted | {"lender-gateway"}

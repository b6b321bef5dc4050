"""What `courtrelay doctor` says of the broker that a role tells."""

from __future__ import annotations

from pathlib import Path

from relay.app.doctor.examination import examine
from relay.app.doctor.findings import Finding
from relay.app.free_ports import free_port
from relay.app.initialise import initialise
from tests.mqtt.broker import mosquitto


async def said(folder: Path, table: str) -> Finding:
    """The one finding about the broker of a relay with this table."""
    home = initialise(folder / "home", base_port=0, validators=1, threshold=1, anchor_interval_s=1.0).home
    with (home / "relay/config.toml").open("a") as file:
        file.write(table)
    (found,) = (one for one in await examine(home, "relay", None) if one.check == "broker")
    return found


async def test_broker_that_takes_us_is_well(tmp_path: Path) -> None:
    async with mosquitto(tmp_path / "broker") as broker:
        assert (await said(tmp_path, broker.table())).level == "ok"


async def test_broker_that_refuses_us_is_a_problem_of_access(tmp_path: Path) -> None:
    async with mosquitto(tmp_path / "broker", "allow_anonymous false") as broker:
        found = await said(tmp_path, broker.table())
    assert found.level == "problem"
    assert "look at its password and access lists" in found.what


async def test_broker_that_is_not_there_is_a_problem_of_reach(tmp_path: Path) -> None:
    found = await said(tmp_path, f'\n[mqtt]\nurl = "mqtt://127.0.0.1:{free_port()}"\n')
    assert found.level == "problem"
    assert "does it run, is the address right" in found.what

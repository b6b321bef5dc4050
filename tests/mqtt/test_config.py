"""The table `[mqtt]` of roles and desks, and a source with a broker before it: read strictly, nothing unsafe by accident."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from relay.app.initialise import initialise
from relay.config.checking import read_check
from relay.config.mqtt import read_mqtt
from relay.config.roles import LedgerConfig, read_court, read_custodian, read_desk, read_relay
from relay.config.strict import Table
from relay.core.errors import Malformed
from relay.transport.broker import BrokerSettings
from relay.transport.credentials import TlsFiles

OWN = TlsFiles(ca=Path("/own/ca.pem"), certificate=Path("/own/tls.pem"), key=Path("/own/tls.key"))
GOOD = {"url": "mqtts://broker.example:8884"}


def read(values: dict[str, Any]) -> Any:
    return read_mqtt(Table(values, file=Path("/etc/relay/config.toml"), path="mqtt"), OWN)


def test_defaults_are_the_roles_own_files_and_version_5() -> None:
    config = read(GOOD)
    broker = config.broker
    assert (broker.host, broker.port, broker.version, broker.username, broker.keepalive_s) == (
        "broker.example", 8884, "5", "", 30,
    )  # fmt: skip
    assert (broker.tls.ca, broker.tls.certificate, broker.tls.key) == (OWN.ca, OWN.certificate, OWN.key)
    assert (config.prefix, config.keep, config.keep_days) == ("courtrelay", 100_000, 7)
    assert read({"url": "mqtts://[2001:db8::1]"}).broker.port == 8883
    assert read({"url": "mqtt://127.0.0.1"}).broker.tls is None


def test_password_comes_by_reference_and_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQTT_PASSWORD", "planted-secret")
    broker = read({**GOOD, "username": "relay", "password": "env:MQTT_PASSWORD"}).broker
    assert broker.password == "planted-secret"
    assert "planted-secret" not in f"{broker} {broker!r}"
    table = {**GOOD, "tls": {"ca": "b.pem"}}
    assert read(table).broker.tls.certificate is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "mqtt://broker.example"}, "url"),
        ({"url": "mqtt://localhost"}, "url"),
        ({"url": "http://127.0.0.1"}, "url"),
        ({"url": "mqtts://user:secret@broker.example"}, "url"),
        ({"url": "mqtts://broker.example/path"}, "url"),
        ({"url": "mqtts://broker.example:99999"}, "url"),
        ({"url": "mqtts://"}, "url"),
        ({"url": 7}, "url"),
        ({"version": "4"}, "version"),
        ({"version": 5}, "version"),
        ({"prefix": "a/#"}, "prefix"),
        ({"prefix": "$SYS"}, "prefix"),
        ({"keepalive_s": 0}, "keepalive_s"),
        ({"keep": 0}, "keep"),
        ({"keep_days": 0}, "keep_days"),
        ({"password": "env:HOME"}, "username"),
        ({"username": "relay", "password": "plain-secret"}, "password"),
        ({"url": "mqtt://127.0.0.1", "tls": {"ca": "x.pem"}}, "tls"),
        ({"tls": {"ca": "x.pem", "key": "y.key"}}, "tls.certificate"),
        ({"tls": {"ca": "x.pem", "more": "y"}}, "tls.more"),
        ({"topic": "x"}, "topic"),
    ],
)
def test_what_is_wrong_is_refused_at_its_place(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Malformed) as refused:
        read({**GOOD, **change})
    assert refused.value.field == f"mqtt.{field}"
    assert refused.value.what == "/etc/relay/config.toml"
    assert "plain-secret" not in str(refused.value)


def test_each_role_and_desk_takes_the_table(tmp_path: Path) -> None:
    home = initialise(tmp_path / "home", base_port=0, validators=1, threshold=1).home
    for role, reader in (("custodian", read_custodian), ("relay", read_relay), ("court", read_court)):
        path = home / role / "config.toml"
        assert reader(path).common.mqtt is None  # type: ignore[operator]
        path.write_text(path.read_text() + '\n[mqtt]\nurl = "mqtts://broker.example"\n')
        mqtt = reader(path).common.mqtt  # type: ignore[operator]
        assert mqtt.broker.tls.certificate == home / role / "tls.pem"
    desk = home / "relay-desk/desk.toml"
    assert read_desk(desk).mqtt is None
    desk.write_text(
        desk.read_text() + '\n[mqtt]\nurl = "mqtts://b.example"\npublisher = "spiffe://x.example/relay/one"\n'
    )
    followed = read_desk(desk).mqtt
    assert followed is not None
    assert followed.publisher.name == "one"


def test_source_behind_a_broker_is_of_the_inner_ledger(tmp_path: Path) -> None:
    home = initialise(tmp_path / "home", base_port=0, validators=1, threshold=1).home
    path = home / "relay/config.toml"
    text = path.read_text()
    inner = text.split("[[sources]]\n")[1].split("\n\n")[0]
    table = f'[[sources]]\nfamily = "mqtt"\ntopic = "gateway/x"\n[sources.broker]\nurl = "mqtts://b.example"\n[sources.inner]\n{inner}'
    path.write_text(text.replace(f"[[sources]]\n{inner}", table))
    (source,) = read_relay(path).sources
    behind, broker = source.settings["inner"], source.settings["broker"]
    assert isinstance(behind, LedgerConfig)
    assert isinstance(broker, BrokerSettings)
    assert (source.family, behind.family, source.settings["topic"]) == ("mqtt", "embedded", "gateway/x")
    assert source.settings["ledger"] == behind.settings["ledger"]
    assert behind.settings["ca"] == str(home / "relay/ca.pem")
    check = tmp_path / "check.toml"
    check.write_text(table.replace("[[sources]]", "[source]").replace("[sources.", "[source."))
    with pytest.raises(Malformed, match="tls"):
        read_check(check, frozenset())
    check.write_text(check.read_text() + '\n[tls]\nca = "ca.pem"\ncertificate = "tls.pem"\nkey = "tls.key"\n')
    checked = read_check(check, frozenset()).source
    assert checked is not None
    assert set(checked.settings) == set(source.settings)

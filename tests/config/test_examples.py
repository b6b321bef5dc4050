"""deploy/config shows every key that the readers know, and no other; what is added to a reader must be added there."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.embedded import adapter as embedded
from adapters.embedded import node as embedded_node
from adapters.evm import config as evm
from adapters.evm import devchain, mapping
from adapters.evm import node as evm_node
from adapters.mqtt import source as mqtt
from adapters.remote import link as remote
from adapters.tlog import config as tlog
from relay.config.adapter import read_adapter
from relay.config.roles import read_court, read_custodian, read_desk, read_relay
from relay.config.strict import Table
from relay.transport.limits import Limits, parse_limits
from tests.config.examples import NAMED, NAMES, is_ledger, keys_in, ledgers_in, text_of, written

ROLES: dict[str, Callable[[Path], Any]] = {
    "custodian": read_custodian,
    "relay": read_relay,
    "court": read_court,
    "adapter": read_adapter,
    "desk": read_desk,
}
NODES: dict[str, Callable[[Path], Any]] = {
    "lender-ledger": embedded_node.read_node_config,
    "attester": evm_node.read_node_config,
}
FAMILIES = {
    "embedded": {*embedded._KEYS, "family"},
    "evm": set(evm.KNOWN),
    "remote": {*remote._KEYS, "kind", "family"},
    "tlog": {*tlog._KEYS, *tlog._OWN, "family"},
    "mqtt": {*mqtt.KEYS, "family"} - {"ledger"},
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every key that a reader asks a table for, with its table."""
    found: set[str] = set()

    def note(table: Table, key: str) -> None:
        at = re.sub(r"\[\d+\]", "", table.at(key))
        if not key.startswith("request_old["):
            found.add(at)

    has, take = Table.has, Table._take

    def noted_has(self: Table, key: str) -> bool:
        note(self, key)
        return has(self, key)

    def noted_take(self: Table, key: str) -> object:
        note(self, key)
        return take(self, key)

    monkeypatch.setattr(Table, "has", noted_has)
    monkeypatch.setattr(Table, "_take", noted_take)
    return found


def test_every_file_has_its_reader() -> None:
    assert sorted({**ROLES, **NODES}) == NAMES


@pytest.mark.parametrize("whole", [False, True], ids=["as it stands", "every line"])
@pytest.mark.parametrize("name", NAMES)
def test_file_is_a_configuration(name: str, whole: bool, tmp_path: Path) -> None:
    assert {**ROLES, **NODES}[name](written(name, tmp_path, whole=whole))


@pytest.mark.parametrize("name", ROLES)
def test_keys_are_those_that_the_reader_knows(name: str, tmp_path: Path, asked: set[str]) -> None:
    path = written(name, tmp_path, whole=True)
    ROLES[name](path)
    known = {at for at in asked if not _inside(at, name)}
    assert set(keys_in(tomllib.loads(path.read_text()), name)) == known


def _inside(at: str, name: str) -> bool:
    """Whether the key's table is one of names or a ledger's."""
    tables = at.split(".")[:-1]
    places = [".".join(tables[: i + 1]) for i in range(len(tables))]
    return any(table in NAMED for table in tables) or any(is_ledger(place, name) for place in places)


class Noting(dict[str, Any]):
    """A table of which the keys asked for are known afterwards."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def pop(self, key: str, *rest: Any) -> Any:
        self.asked.add(key)
        return super().pop(key, *rest)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)


@pytest.mark.parametrize("name", NODES)
def test_keys_of_a_node_are_those_that_it_knows(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(name, tmp_path, whole=True)
    values = Noting(tomllib.loads(path.read_text()))
    there = set(values)
    monkeypatch.setattr(tomllib, "loads", lambda _text: values)
    NODES[name](path)
    assert there == values.asked


@pytest.mark.parametrize("family", FAMILIES)
def test_every_key_of_a_ledger_family_is_shown(family: str) -> None:
    (shown,) = (set(one) for one in ledgers_in("relay") if one["family"] == family and len(one) > 3)
    assert shown == FAMILIES[family]


@pytest.mark.parametrize("name", ["custodian", "relay", "court", "adapter"])
def test_ledgers_are_read_by_their_families(name: str, tmp_path: Path) -> None:
    config = ROLES[name](written(name, tmp_path, whole=True))
    tables = list(ledgers_in(name))
    read = {
        "custodian": lambda: [config.ledger],
        "relay": lambda: [config.court_ledger, *config.sources],
        "court": lambda: [config.court_ledger],
        "adapter": lambda: [config.source, config.court],
    }[name]()
    assert len(read) == len(tables)
    for one in read:
        assert set(one.settings) <= {*FAMILIES[one.family], "ledger"}
        if one.family == "evm":
            evm.read_config(one.settings, attested=True)
        if one.family == "tlog":
            tlog.read_config(one.settings)
        if one.family == "remote":
            remote.read_settings(one.settings)


def test_projection_is_read_and_shows_every_key(tmp_path: Path) -> None:
    tables = read_custodian(written("custodian", tmp_path, whole=True)).projections
    assert mapping.read_mappings(tables, 1337)
    assert set(tables[0]) == set(mapping.KNOWN)


def test_development_chain_shows_every_key() -> None:
    assert set(tomllib.loads(text_of("attester", whole=True))["anvil"]) == set(devchain._KEYS)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "desk"])
def test_limits_show_their_defaults(name: str) -> None:
    limits = parse_limits(tomllib.loads(text_of(name, whole=True))["limits"])
    assert (limits.default, limits.calls_open, len(limits.groups)) == (Limits().default, Limits().calls_open, 1)


def test_defaults_of_an_evm_ledger_are_what_they_are_said_to_be() -> None:
    """What is taken when a key is left out is what its line shows."""
    (table,) = (one for one in ledgers_in("relay") if one["family"] == "evm")
    needed = ("family", "ledger", "endpoints", "chain_id", "contract")
    least = evm.read_config({key: table[key] for key in needed}, attested=True)
    shown = evm.read_config(table, attested=True)
    for name in ("quorum", "finality", "max_fee_wei", "start_height", "confirm_s", "poll_s"):
        assert getattr(least, name) == getattr(shown, name), name


@pytest.mark.parametrize("name", ["custodian", "relay", "court"])
def test_defaults_of_a_role_are_what_they_are_said_to_be(name: str, tmp_path: Path) -> None:
    """Optional values at the file's first level and of [http]: taken out one by one, the configuration stays the same."""
    whole = written(name, tmp_path, whole=True)
    text, config = whole.read_text(), ROLES[name](whole)
    for line in (
        "leap = 0\n",
        "custody = false\n",
        "disk_free_bytes_min = 268435456\n",
        "upload_bytes_max = 2147483648\n",
    ):
        if line in text:
            whole.write_text(text.replace(line, ""))
            assert ROLES[name](whole) == config, line

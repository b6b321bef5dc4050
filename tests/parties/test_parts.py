"""Parts of trust roots: what a party may say of itself, and what it may not say of others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.embedded.genesis import read_genesis
from relay.app import parties
from relay.app.initialise import initialise
from relay.app.trust import read_trust
from relay.core.errors import Conflict, Malformed
from relay.core.parts import Part, join, parse_part
from relay.core.pinned import LedgerRoot, Validator

D = "spiffe://alliance.example"
LENDER = f"{D}/custodian/bank"
COURT = f"{D}/court/court"


def party(folder: Path, identity: str, ledger: str = "embedded:lender-1", **references: str) -> parties.Setup:
    return parties.Setup(folder=folder, identity=identity, ledger=ledger, references=references)


def lender(folder: Path, name: str = "bank") -> Part:
    made = party(folder, f"{D}/custodian/{name}")
    parties.set_up_custodian(made, f"{name}.example/log/1", f"{name}.example/custody/1")
    return parse_part((folder / "part.json").read_bytes())


def court(folder: Path) -> Part:
    made = party(folder, COURT, "embedded:court-1")
    parties.set_up_court(made, "court.example/witness", "court.example/custody/1")
    return parse_part((folder / "part.json").read_bytes())


def ledger(folder: Path, name: str) -> Part:
    parties.set_up_ledger(party(folder, f"{D}/ledger/{name}", f"embedded:{name}"), 4, 3)
    return parse_part((folder / "part.json").read_bytes())


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """The parts of the smallest alliance."""
    lender(tmp_path / "custodian")
    court(tmp_path / "court")
    ledger(tmp_path / "lender-ledger", "lender-1")
    ledger(tmp_path / "court-ledger", "court-1")
    return sorted(tmp_path.glob("*/part.json"))


def make(files: list[Path], out: Path, before: Path | None = None) -> dict[str, Any]:
    return parties.make_trust(files, out, before=before, days=366, witness_quorum=None)


def test_a_part_holds_no_secret_and_every_secret_is_its_owners_alone(tmp_path: Path) -> None:
    lender(tmp_path / "custodian")
    data = (tmp_path / "custodian/part.json").read_bytes()
    keys = sorted((tmp_path / "custodian/keys").iterdir())
    assert [key.name for key in keys] == [
        "custody.pem",
        "grant.pem",
        "log.pem",
        "master.key",
        "record.pem",
        "sealing.key",
    ]
    for key in keys:
        assert key.stat().st_mode & 0o077 == 0
        assert key.read_bytes() not in data
        assert key.read_bytes().hex().encode() not in data
    assert b"PRIVATE" not in data


def test_the_joined_parts_pin_what_init_pins(tmp_path: Path, files: list[Path]) -> None:
    make(files, tmp_path / "trust.json")
    mine, theirs = (
        read_trust(tmp_path / "trust.json"),
        read_trust(initialise(tmp_path / "home", base_port=0, validators=4, threshold=3).trust),
    )
    assert sorted(key.use for key in mine.pinned_keys) == sorted(key.use for key in theirs.pinned_keys)
    assert [(root.kind, root.threshold, len(root.validators)) for root in mine.ledgers] == [("quorum", 3, 4)] * 2
    assert {court.ledger for court in mine.courts} == {court.ledger for court in theirs.courts}


def test_a_genesis_file_is_what_init_makes_of_the_same_keys(tmp_path: Path) -> None:
    home = initialise(tmp_path / "home", base_port=0, validators=4, threshold=3).home
    for name, id_ in (("lender-ledger", "embedded:lender-1"), ("court-ledger", "embedded:court-1")):
        parties.make_genesis(home / "trust.json", id_, tmp_path / f"{name}.json")
        made, given = read_genesis(tmp_path / f"{name}.json"), read_genesis(home / name / "genesis.json")
        assert made.root() == given.root()
        assert made.mode == given.mode
        for one, other in ((made.witnesses, given.witnesses), (made.custody, given.custody)):
            assert [(key.name, key.public_key) for key in one] == [(key.name, key.public_key) for key in other]
        assert [(log.origin, log.custodian, log.source) for log in made.logs] == [
            (log.origin, log.custodian, log.source) for log in given.logs
        ]


def test_a_lender_that_brings_a_court_key_is_refused(tmp_path: Path) -> None:
    part = lender(tmp_path / "custodian")
    with pytest.raises(Malformed, match="custodian has no witness key"):
        replace(part, pinned_keys=(replace(part.pinned_keys[0], use="witness"),))


def test_a_lender_that_speaks_for_another_lender_is_refused(tmp_path: Path) -> None:
    part = lender(tmp_path / "custodian")
    other = f"{D}/custodian/other"
    with pytest.raises(Malformed, match="is another's"):
        replace(part, pinned_keys=(replace(part.pinned_keys[0], party=other),))
    with pytest.raises(Malformed, match="is another's"):
        replace(part, logs=(replace(part.logs[0], party=other),))


def test_a_lender_that_brings_its_own_validators_for_the_courts_ledger_is_refused(tmp_path: Path) -> None:
    part = lender(tmp_path / "custodian")
    own = Validator(name="v", public_key=bytes(32), valid_from_ms=0, valid_to_ms=1000)
    with pytest.raises(Malformed, match="belong in the part of a ledger"):
        replace(part, ledgers=(LedgerRoot(ledger="embedded:court-1", kind="quorum", threshold=1, validators=(own,)),))


def test_an_operator_has_no_part() -> None:
    with pytest.raises(Malformed, match="no part in trust roots"):
        Part(party=f"{D}/operator/desk")


def test_a_second_ledger_of_a_pinned_name_is_refused(tmp_path: Path, files: list[Path]) -> None:
    """Whoever adds a part cannot replace the validators that the others compared."""
    make(files, tmp_path / "trust.json")
    ledger(tmp_path / "false", "court-1")
    with pytest.raises(Malformed, match="stands twice"):
        make([tmp_path / "false/part.json"], tmp_path / "next.json", tmp_path / "trust.json")


def test_two_parts_of_one_party_are_refused(tmp_path: Path, files: list[Path]) -> None:
    lender(tmp_path / "again")
    with pytest.raises(Conflict, match="two parts"):
        make([*files, tmp_path / "again/part.json"], tmp_path / "trust.json")


def test_a_new_lender_comes_into_the_next_version_and_nothing_else_changes(tmp_path: Path, files: list[Path]) -> None:
    make(files, tmp_path / "trust.json")
    lender(tmp_path / "second", "second")
    made = make([tmp_path / "second/part.json"], tmp_path / "next.json", tmp_path / "trust.json")
    before, after = read_trust(tmp_path / "trust.json"), read_trust(tmp_path / "next.json")
    assert made["version"] == after.version == 2
    assert set(before.pinned_keys) < set(after.pinned_keys)
    assert after.ledgers == before.ledgers
    parties.make_genesis(tmp_path / "next.json", "embedded:court-1", tmp_path / "genesis.json")
    assert [log.origin for log in read_genesis(tmp_path / "genesis.json").logs] == [
        "bank.example/log/1",
        "second.example/log/1",
    ]


def test_a_key_that_was_revoked_ends_in_the_genesis_file_then(tmp_path: Path, files: list[Path]) -> None:
    make(files, tmp_path / "trust.json")
    trust = read_trust(tmp_path / "trust.json")
    since = next(key for key in trust.pinned_keys if key.use == "witness").valid_from_ms + 60_000
    keys = tuple(replace(key, revoked_from_ms=since) if key.use == "witness" else key for key in trust.pinned_keys)
    (tmp_path / "revoked.json").write_bytes(replace(trust, pinned_keys=keys).to_json())
    parties.make_genesis(tmp_path / "revoked.json", "embedded:court-1", tmp_path / "genesis.json")
    assert [key.valid_to_ms for key in read_genesis(tmp_path / "genesis.json").witnesses] == [since]


def test_nothing_is_ever_overwritten_and_a_refused_setup_leaves_nothing(tmp_path: Path, files: list[Path]) -> None:
    with pytest.raises(Conflict, match="nothing is ever overwritten"):
        lender(tmp_path / "custodian")
    with pytest.raises(Malformed, match="none of record, log, grant, custody"):
        parties.set_up_custodian(party(tmp_path / "new", LENDER, witness="x.pem"), "o/1", "c/1")
    with pytest.raises(Malformed, match="is of role court, not custodian"):
        parties.set_up_custodian(party(tmp_path / "new", COURT), "o/1", "c/1")
    assert not (tmp_path / "new").exists()
    make(files, tmp_path / "trust.json")
    with pytest.raises(Conflict, match="never overwritten"):
        make(files, tmp_path / "trust.json")
    with pytest.raises(Malformed, match="pin no embedded ledger 'embedded:x'; the embedded ones are"):
        parties.make_genesis(tmp_path / "trust.json", "embedded:x", tmp_path / "genesis.json")


def test_a_key_that_exists_is_pinned_instead_of_made(tmp_path: Path) -> None:
    kept = lender(tmp_path / "first")
    made = party(tmp_path / "second", LENDER, record=str(tmp_path / "first/keys/record.pem"))
    parties.set_up_custodian(made, "bank.example/log/1", "bank.example/custody/1")
    second = parse_part((tmp_path / "second/part.json").read_bytes())
    assert second.pinned_keys[0].public_key == kept.pinned_keys[0].public_key
    assert not (tmp_path / "second/keys/record.pem").exists()


@pytest.mark.parametrize("member", ["format", "party", "keys", "logs", "courts", "ledgers"])
def test_a_part_without_a_member_or_with_one_more_is_refused(tmp_path: Path, member: str) -> None:
    lender(tmp_path / "custodian")
    document = json.loads((tmp_path / "custodian/part.json").read_bytes())
    with pytest.raises(Malformed):
        parse_part(json.dumps({name: value for name, value in document.items() if name != member}).encode())
    with pytest.raises(Malformed):
        parse_part(json.dumps({**document, f"{member}x": 1}).encode())


def test_joining_is_of_whole_alliances(tmp_path: Path) -> None:
    """Without a court, or without the ledgers that the others name, there are no trust roots."""
    with pytest.raises(Malformed):
        join([lender(tmp_path / "custodian")], None, issued_at_s=1, expires_at_s=2, witness_quorum=1)

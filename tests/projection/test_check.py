"""`courtrelay projection`: a signed log against the chain. What is altered, left out, put in or moved is named by its entry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.evm.values import hexed
from relay.app import projection_check
from relay.core.errors import Malformed, NotFound, RelayError, Unavailable, Unverified
from relay.core.projection import project
from relay.core.verdict import Finding
from tests.projection.conftest import ANCHORS, FINALITY, Lender, events_of, read
from tests.projection.contract import EVENT, digest, store, store_many, store_raw
from tests.support.command import courtrelay
from tests.tlog.roots import pinned
from tests.tlog.writer import ORIGIN, WITNESSES, Key, Log, entry, folder_log

PAYLOAD = b"the contract of loan 1"


class Bench:
    """A chain with seven events, one of them not readable, and a log that a test writes."""

    def __init__(self, folder: Path, entries: list[bytes], final: int) -> None:
        self.folder, self.entries, self.final = folder, entries, final
        self.config = folder / "check.toml"

    def publish(self, entries: list[bytes], name: str = "log", **more: object) -> Log:
        log = folder_log(self.folder / name)
        log.entries = entries
        for key, value in more.items():
            setattr(log, key, value)
        log.publish(len(entries), witnesses=WITNESSES[:1])
        return log

    async def check(self, name: str = "log", upto: int = 0) -> projection_check.Comparison:
        return await projection_check.check(self.config, str(self.folder / name), upto, lambda _d, _t: None)


@pytest.fixture
async def bench(lender: Lender, tmp_path: Path) -> Bench:
    raw = int.from_bytes(hashlib.sha256(PAYLOAD).digest(), "big").to_bytes(32, "big") + (7).to_bytes(32, "big")
    await lender.send(store_raw(1, raw))
    await lender.send(store_many([1, 2, 1], "a"))
    await lender.send(store_raw(1, b"nothing"))
    await lender.send(store(2, "b"))
    await lender.send(store(3, "c"))
    await lender.anvil.mine(FINALITY)
    events = await lender.events()
    made, _ = project(events_of(await read(events)), {})
    bench = Bench(tmp_path, made, await events.final_height())
    (tmp_path / "trust.json").write_bytes(pinned().to_json())
    lines = [
        f'origin = "{ORIGIN}"',
        'trust = "trust.json"',
        "[ledger]",
        'family = "evm"',
        'ledger = "evm:lender-1"',
        f'endpoints = ["{lender.anvil.url}"]',
        f"chain_id = {lender.anvil.chain_id}",
        f'contract = "{ANCHORS}"',
        f"finality = {FINALITY}",
        "poll_s = 0.02",
        "[[projection]]",
        f'address = "{hexed(lender.contract)}"',
        f'event = "{EVENT}"',
        'digest = "digest"',
        'dossier = "loan"',
        'time = "time"',
        "from_block = 0",
    ]
    bench.config.write_text("\n".join(lines) + "\n")
    assert len(made) == 6
    return bench


async def test_log_that_is_the_chains_events_is_consistent(bench: Bench) -> None:
    bench.publish([entry(0), *bench.entries[:4], entry(1), *bench.entries[4:]])
    found = await bench.check(upto=bench.final)
    assert (found.verdict, found.reason) == (Finding.CONSISTENT, "")
    assert (found.projected, found.others, found.waiting, found.upto) == (6, 2, 0, bench.final)
    assert [name for name, _ in found.witnesses] == [WITNESSES[0].name]
    assert found.refusals == ["event in block 4, log 0: event: data: is no encoding of (bytes32,uint64)"]


def altered(entries: list[bytes], at: int) -> list[bytes]:
    changed = bytearray(entries[at])
    changed[-1] ^= 1
    return [*entries[:at], bytes(changed), *entries[at + 1 :]]


FORGERIES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], int]] = {
    "altered": (lambda e: altered(e, 2), 2),
    "altered first": (lambda e: altered(e, 0), 0),
    "altered last": (lambda e: altered(e, len(e) - 1), 5),
    "left out": (lambda e: e[:2] + e[3:], 2),
    "put in": (lambda e: [*e[:3], b"\x03" + bytes(64), *e[3:]], 3),
    "twice": (lambda e: [*e[:3], e[2], *e[3:]], 3),
    "moved": (lambda e: [e[1], e[0], *e[2:]], 0),
    "as a record": (lambda e: [e[0], b"\x01" + e[1][1:], *e[2:]], 2),
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_forged_log_is_inconsistent_and_the_first_wrong_entry_is_named(bench: Bench, name: str) -> None:
    """The lender's own key has signed all of these."""
    forge, at = FORGERIES[name]
    bench.publish(forge(bench.entries))
    found = await bench.check()
    assert (found.verdict, found.wrong) == (Finding.INCONSISTENT, at)
    assert f"entry {at} is not that of the event in block" in found.reason


async def test_entry_behind_the_last_event_is_never_green(bench: Bench) -> None:
    bench.publish([*bench.entries, b"\x03" + bytes(64)])
    found = await bench.check()
    assert (found.verdict, found.wrong) == (Finding.UNVERIFIABLE, 6)
    assert "entry 6 is of no event" in found.reason


async def test_events_that_the_log_lacks_at_its_end_are_told_and_counted(bench: Bench) -> None:
    bench.publish(bench.entries[:4])
    found = await bench.check()
    assert (found.verdict, found.wrong, found.waiting) == (Finding.PENDING_FINALITY, None, 2)
    assert "the first is the event in block 5, log 0" in found.reason
    assert (await bench.check(upto=4)).verdict is Finding.PENDING_FINALITY
    late = await bench.check(upto=5)
    assert late.verdict is Finding.INCONSISTENT
    assert "the log lacks the event in block 5, log 0" in late.reason
    with pytest.raises(Malformed, match="is not final yet"):
        await bench.check(upto=bench.final + 1)


async def test_mapping_that_begins_later_expects_nothing_yet(bench: Bench) -> None:
    bench.config.write_text(bench.config.read_text().replace("from_block = 0", f"from_block = {bench.final + 1}"))
    bench.publish([entry(0)])
    assert (await bench.check()).verdict is Finding.CONSISTENT
    bench.publish([entry(0), bench.entries[0]], "other")
    found = await bench.check("other")
    assert (found.verdict, found.wrong) == (Finding.UNVERIFIABLE, 1)


async def test_served_entry_that_is_not_in_the_signed_tree_is_not_compared(bench: Bench) -> None:
    bench.publish(bench.entries)
    (path,) = (bench.folder / "log/tile/entries").rglob("*.p/*")
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    with pytest.raises(Unavailable, match="does not hold the entries of the tree that the log has signed"):
        await bench.check()


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"key": Key(ORIGIN, 1, "another")}, Unverified),
        ({"origin": "other.example/log", "key": Key("other.example/log", 1, ORIGIN)}, RelayError),
    ],
)
async def test_log_of_another_key_or_origin_is_refused(
    bench: Bench, more: dict[str, object], error: type[RelayError]
) -> None:
    bench.publish(bench.entries, **more)
    with pytest.raises(error):
        await bench.check()


async def test_proof_of_one_event_verifies_offline_and_names_its_payload(bench: Bench, tmp_path: Path) -> None:
    bench.publish([entry(0), *bench.entries])
    payload, trust = tmp_path / "contract.pdf", tmp_path / "trust.json"
    payload.write_bytes(PAYLOAD)
    ran = courtrelay(
        "projection", "prove", "--config", bench.config, "--log", bench.folder / "log", "--file", payload,
        "--out", tmp_path / "proofs", "--json",
    )  # fmt: skip
    (proof,) = (Path(path) for path in ran.json()["proofs"])
    assert (ran.code, proof.name) == (0, "1.tlog-proof")
    shown = courtrelay("projection", "verify", proof, "--trust", trust, "--file", payload, "--json")
    assert (shown.code, shown.json()["payload"], shown.json()["index"]) == (0, True, 1)
    assert (shown.json()["height"], shown.json()["log"], shown.json()["seq"], shown.json()["time"]) == (2, 0, 0, 7)
    said = courtrelay("projection", "verify", proof, "--trust", trust)
    assert "entry 1 of bank.example/evidence (size 7) is of this event:" in said.out
    assert f"cosigned by {WITNESSES[0].name}" in said.out
    payload.write_bytes(PAYLOAD + b".")
    other = courtrelay("projection", "verify", proof, "--trust", trust, "--file", payload)
    assert (other.code, "HAS ANOTHER DIGEST" in other.out) == (1, True)


async def test_no_proof_of_a_digest_that_no_event_has_nor_from_a_forged_log(bench: Bench) -> None:
    bench.publish(bench.entries)
    out = bench.folder / "proofs"

    def prove(wanted: bytes):  # type: ignore[no-untyped-def]
        return projection_check.prove(bench.config, str(bench.folder / "log"), wanted, out, lambda _d, _t: None)

    with pytest.raises(NotFound, match="has the digest"):
        await prove(bytes(32))
    bench.publish(altered(bench.entries, 5))
    found, written = await prove(digest("b"))
    assert (found.verdict, written, out.exists()) == (Finding.INCONSISTENT, [], False)


async def test_command_says_it_in_words_and_exit_codes(bench: Bench) -> None:
    bench.publish(bench.entries)
    arguments = ("projection", "check", "--config", bench.config, "--log", bench.folder / "log")
    good = courtrelay(*arguments)
    assert good.code == 0
    assert "6 projected entries are those of the ledger's events; 0 entries are of records" in good.out
    assert good.out.endswith("CONSISTENT\n")
    assert "not projected, by rule: event in block 4, log 0" in good.out
    bench.publish(altered(bench.entries, 3))
    bad = courtrelay(*arguments, "--json")
    assert (bad.code, bad.json()["verdict"], bad.json()["first_wrong_entry"]) == (1, "INCONSISTENT", 3)
    bench.publish(bench.entries[:5])
    assert courtrelay(*arguments).code == 3
    none = courtrelay("projection", "check", "--config", bench.config, "--log", bench.folder / "nowhere")
    assert (none.code, "has no checkpoint" in none.err) == (1, True)
    both = courtrelay("projection", "prove", *map(str, arguments[2:]), "--out", bench.folder / "p")
    assert (both.code, "give either --digest or --file" in both.err) == (2, True)
    assert json.dumps(bad.json())


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[[projection]]", "[[projections]]", "projection: is missing"),
        ('digest = "digest"', 'digest = "hash"', "projection[0].digest: 'hash' is no field of RecordStored"),
        ('family = "evm"', 'family = "embedded"', "projection: needs a ledger with contracts"),
        ("chain_id = 31337", "chain_id = 31338", "31337"),
    ],
)
async def test_wrong_file_is_one_line(bench: Bench, old: str, new: str, told: str) -> None:
    bench.publish(bench.entries)
    bench.config.write_text(bench.config.read_text().replace(old, new))
    ran = courtrelay("projection", "check", "--config", bench.config, "--log", bench.folder / "log")
    assert ran.code in (1, 2)
    assert told in ran.err
    assert ran.err.count("\n") == 1

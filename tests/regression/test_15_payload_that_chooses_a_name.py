"""Poly Network (2021): bytes that were only to be relayed chose the privileged method that was called with them. Here content
from outside chooses no method, table, file, topic or verifier: names are fixed forms, hashes, or our own numbers.
"""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.embedded.proof import verify_quorum
from relay.app.adapters import load_adapter
from relay.app.trust import read_trust
from relay.core.bundlezip import check_name
from relay.core.checkpoint import Checkpoint
from relay.core.checks import check_anchor
from relay.core.deposit import parse_deposit_line
from relay.core.errors import NotFound, RelayError, Unverified
from relay.core.frames import FrameDecoder
from relay.core.ledgerproof import ProvenFact
from relay.core.records import PayloadDigest
from relay.deposit.folder import read_folder
from relay.store.court import SqliteCourtStore
from relay.store.relay import SqliteRelayStore
from tests.core.evidence import record
from tests.ledgers.bench import Bench
from tests.regression.refusing import refusal
from tests.support.lines import STATED, repayment, repayment_fields
from tests.support.way import Way

NAMES = (
    "../../court/keys/seal.pem", "..", ".", "/etc/passwd", "a/../../b", "..\\..\\b", "C:\\x", "~/x", "a\x00.pdf", "a\n.pdf", "con:",
    "x'; DROP TABLE record; --", '" OR 1=1 --', "record; ATTACH 'x' AS y", "%2e%2e%2f", "$(reboot)", "`id`", "|sh", "${HOME}",
    "#", "+/+/#", "$SYS/broker", "lender/+/grant", "__class__", "__import__('os')", "{0.__init__}", "%s%n", "\ufe52\ufe52\uff0fx",
    "\u202efdp.x",
)  # fmt: skip
REFERENCES = [name for name in NAMES if name.isprintable()]
FILES = re.compile(
    r"[a-z-]+/(data/)?((keys|validators)/[a-z0-9-]+\.(pem|key)|vault/[0-9a-f]{32}|bundles/[0-9a-f]{32}\.zip|lock"
    r"|logs/[0-9a-f]{64}/(entries|synced|(tiles|upper)-[0-9])\.pack|[a-z]+\.sqlite(-wal|-shm)?)|[a-z-]+/[a-z]+\.(pem|key|toml|json)|trust\.json|crl\.pem"
)


def line_with(**changes: Any) -> bytes:
    line, _ = repayment(0)
    return json.dumps({**line, "dossier": "loan", **changes}).encode()


def test_name_that_would_lead_elsewhere_is_malformed_everywhere() -> None:
    payload = {"file": "f", "name": "receipt.txt", "media_type": "text/plain"}
    assert parse_deposit_line(line_with(payloads=[payload]), what="line 1")
    for name in NAMES:
        others = [{**payload, "name": name}, {**payload, "media_type": name}]
        for changes in ({"kind": name}, *({"payloads": [other]} for other in others)):
            refusal(lambda data: parse_deposit_line(data, what="line 1"), line_with(**changes))
        digest = PayloadDigest(name=name, media_type="text/plain", size=1, sha256="ab" * 32)
        refusal(lambda d: record(payloads=(d,)), digest)
        refusal(load_adapter, name)
        if name != "__class__":  # an ordinary name for a file
            refusal(check_name, name)
            refusal(check_name, f"records/000000/payloads/{name}")


def test_file_outside_the_deposit_folder_is_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "deposit"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "own").write_bytes(b"own")
    outside = [*NAMES, "../secret", "link", str(tmp_path / "secret"), "own/../../secret"]
    for name in ("own", *outside):
        payload = {"file": name, "name": "receipt.txt", "media_type": "text/plain"}
        (folder / "records.jsonl").write_bytes(line_with(payloads=[payload]))
        (dossier,) = read_folder(folder)
        assert (dossier.refusal is None) is (name == "own"), name
        assert len(dossier.lines) == (name == "own")


async def test_text_from_outside_names_no_file_and_no_table(way: Way) -> None:
    """References, text of records and payload contents that look like commands: stored, retrieved, and nothing else."""
    path = way.home / "custodian/data/custodian.sqlite"
    before = tables(path)
    stored = []
    for number, reference in enumerate(REFERENCES):
        fields = {**repayment_fields(), "channel_reference": reference[:60].strip()}
        line = repayment(0, payload=reference.encode(), fields=fields, provenance={**STATED, "source": reference})
        stored.append(await way.deposit(reference, [line]))
        assert stored[-1].indices == (number,)
    await way.forward()
    for dossier in stored[:: len(stored) // 4]:
        _, done, _ = await way.retrieve(await way.grant(dossier.dossier))
        assert json.loads(done.verdict)["verdict"] == "CONSISTENT"
    found = [str(p.relative_to(way.home)) for p in way.home.rglob("*") if p.is_file()]
    assert [name for name in found if not FILES.fullmatch(name)] == []
    assert tables(path) == before
    assert len(stored) == len({s.dossier for s in stored}) > 20


def tables(path: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()


async def test_origin_names_no_folder_and_bundle_id_no_file(tmp_path: Path) -> None:
    relay, court = await SqliteRelayStore.open(tmp_path / "relay"), await SqliteCourtStore.open(tmp_path / "court")
    (await court.new_bundle("b1")).write_bytes(b"x")
    await court.save_bundle("b1", "a.example/log", "d", b"{}")
    for name in NAMES:
        log = await relay.log(name)
        assert await log.append([b"\x01" * 65]) == 1
        with pytest.raises(NotFound):
            await court.open_bundle(f"{name}/b1")
        assert await court.find_tags(name, [b"\x01" * 32]) == {}
    folders = list((tmp_path / "relay/logs").iterdir())
    assert len(folders) == len(set(NAMES))
    assert all(re.fullmatch(r"[0-9a-f]{64}", folder.name) for folder in folders)
    assert {path.name for path in tmp_path.iterdir()} == {"relay", "court"}
    await relay.close()
    await court.close()


async def test_proof_does_not_choose_its_verifier(bench: Bench) -> None:
    """The pinned ledger does: a verifier that believes everything is installed, and no proof can call for it."""
    called: list[str] = []

    def credulous(proof: Any, _root: Any) -> ProvenFact:
        called.append(proof.kind)
        raise AssertionError("called")

    good = (await bench.submission(3)).anchor
    checkpoint: Checkpoint = bench.checkpoint(3)
    verifiers = dict.fromkeys((*NAMES, "none", "anything", ""), credulous) | {"quorum": verify_quorum}
    trust = read_trust(bench.home / "trust.json")
    assert check_anchor(good, checkpoint, trust, verifiers).fact["size"] == 3
    for kind in verifiers:
        if kind != "quorum":
            with pytest.raises(Unverified, match="kind"):
                check_anchor(replace(good, kind=kind), checkpoint, trust, verifiers)
        with pytest.raises(RelayError):
            await bench.court.submit(bench.replaced(await bench.submission(3), anchor=replace(good, ledger=kind)))
    assert called == []


def test_first_byte_of_a_frame_chooses_among_four_and_no_more() -> None:
    """A disclosure's own dispatch: at its beginning only a manifest may stand."""
    for number in range(256):
        decoder = FrameDecoder()
        head = bytes([number]) + (2).to_bytes(4, "big") + b"{}"
        if number == 1:
            assert list(decoder.feed(head)) == []
            continue
        assert "only 1 may stand" in refusal(lambda d, h: list(d.feed(h)), decoder, head)

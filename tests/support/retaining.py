"""A custodian with retention beside the real way, and an old dossier full of canaries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relay.app.retention import RetentionServices
from relay.core.retention import RetentionClass, RetentionPolicy, Start
from relay.schemas import KindCatalogue, load_policy
from relay.services.custodian.erasure import Erasures
from relay.services.custodian.report import SubjectReports
from relay.services.custodian.retention import Retention
from relay.setup.keys import load_signing_key
from tests.support.frozen import SeededBytes, no_waits
from tests.support.lines import STATED, repayment_fields
from tests.support.way import Way

OPERATOR = "spiffe://lender.example/operator/clerk"
BASIS = "PIPL art. 47(1), retention has ended"
NAME, PHONE, PAYER, TEXT = "CANARY-Wang Xiaoming", "CANARY-13800000000", "CANARY-6222-0001", "CANARY too many calls"
FILES = (b"CANARY receipt one " * 40, b"CANARY recording two " * 90_000)
"""One small payload, and one of two chunks."""
PERSONAL = (NAME, PHONE, PAYER, TEXT)


KINDS = KindCatalogue()
POLICY = load_policy(None, KINDS.names())
_NO_YEARS = RetentionClass(name="none", years=0, start=Start.RECORD, jurisdiction="none", source="none", note="")
AT_ONCE = RetentionPolicy(
    name="at-once", digest=bytes(32), classes={"none": _NO_YEARS}, kinds=dict.fromkeys(KINDS.names(), "none")
)
"""A policy under which everything is due."""


def retaining(
    way: Way, *, store: Any = None, vault: Any = None, seed: str = "retention", policy: RetentionPolicy = POLICY
) -> RetentionServices:
    """Retention, erasures and reports on a way's own custodian; a store or vault may stand in front of the real one."""
    random_bytes = SeededBytes(seed)
    key = load_signing_key(way.home / "custodian/keys/record.pem")
    identity = way.deposits._identity
    kept = way.custodian_store.erasures
    retention = Retention(
        store=kept, grants=way.custodian_store.grants, policy=policy, clock=way.clock, random_bytes=random_bytes
    )
    erasures = Erasures(
        identity=identity, origin=way.origin, store=store or kept, tombstones=kept, retention=retention,
        vault=vault or way.vault, quiet=way.disclosures.quiet, append_custody=way.custodian_store.append_custody,
        signer=key, clock=way.clock, random_bytes=random_bytes, backoff=no_waits,
    )  # fmt: skip
    reports = SubjectReports(
        identity=identity, origin=way.origin, retention=retention, store=kept, records=way.custodian_store,
        clock=way.clock, random_bytes=random_bytes,
    )  # fmt: skip
    return RetentionServices(retention=retention, erasures=erasures, reports=reports)


def line(seq: int, kind: str, when: str, fields: dict[str, Any], payloads: tuple[bytes, ...] = ()) -> Any:
    """One line and its payload contents."""
    listed = [{"file": "f", "name": f"file-{n}.bin", "media_type": "text/plain"} for n in range(len(payloads))]
    made = {
        "seq": seq, "kind": kind, "kind_version": 1, "event_time": when, "provenance": STATED, "fields": fields,
        "payloads": listed,
    }  # fmt: skip
    return made, list(payloads)


def old_dossier(*, closed: bool = True, files: tuple[bytes, ...] = FILES) -> list[Any]:
    """Application, repayment with payloads, complaint and closure of a loan that ended in 2012: all past its retention by now."""
    applied = {
        "product": "cash loan", "amount_cents": 100_000, "currency": "CNY", "term_months": 12, "purpose": "travel",
        "channel": "app", "applicant_name": NAME, "id_number": "110101199003077715", "phone": PHONE,
    }  # fmt: skip
    paid = {**repayment_fields(), "received_on": "2011-03-05", "payer_account": PAYER}
    said = {"received_at": "2011-04-02T14:00:00Z", "channel": "phone", "subject": "collection", "text": TEXT}
    ended = {
        "reason": "paid", "closed_on": "2012-01-31", "recovered_cents": 0, "written_off_cents": 0, "currency": "CNY",
    }  # fmt: skip
    lines = [
        line(0, "application", "2010-02-01T09:00:00Z", applied),
        line(1, "repayment", "2011-03-05T09:00:00Z", paid, files),
        line(2, "complaint", "2011-04-02T14:00:00Z", said),
    ]
    if closed:
        lines.append(line(3, "closure", "2012-01-31T09:00:00Z", ended))
    return lines


def raw(folder: Path) -> bytes:
    """Every byte of every file of a folder, one after the other."""
    return b"\0".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())

"""One dossier's deposit while it arrives: every line and payload is checked, nothing is stored before all of it is good."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relay.core.deposit import DepositLine, DepositPayload, check_event_time, check_payload, parse_deposit_line
from relay.core.errors import Malformed
from relay.core.kinds import KindInfo
from relay.core.limits import FUTURE_SKEW_S, PAYLOAD_BYTES_MAX, RECORDS_PER_DOSSIER_MAX
from relay.core.records import PayloadDigest
from relay.ports.common import Clock, RecordCatalogue
from relay.ports.custodian import PayloadVault, PayloadWriter, VaultPayload

DEPOSIT_RECORD_BYTES_MAX: Final = 64 * 1024 * 1024
"""Records of one deposit wait in memory until the last one is checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenRecord:
    """A line that passed every check, with its payloads in the vault."""

    number: int
    line: DepositLine
    kind: KindInfo
    confidentiality: str
    payloads: tuple[tuple[DepositPayload, VaultPayload], ...]

    def digests(self) -> tuple[PayloadDigest, ...]:
        """What the record will say of its payloads."""
        return tuple(
            PayloadDigest(name=d.name, media_type=d.media_type, size=p.size, sha256=p.sha256) for d, p in self.payloads
        )


def line_name(number: int) -> str:
    """How errors name a line."""
    return f"line {number}"


class DossierIntake:
    """Takes lines and payload chunks of one dossier in order. Every method raises `Malformed` named by line and field.

    End with `taken`, or with `discard` after any refusal: then no payload stays behind.
    """

    def __init__(self, reference: str, catalogue: RecordCatalogue, vault: PayloadVault, clock: Clock) -> None:
        self.reference = reference
        self._catalogue = catalogue
        self._vault = vault
        self._clock = clock
        self._records: list[TakenRecord] = []
        self._bytes = 0
        self._line: tuple[int, DepositLine, KindInfo, str] | None = None
        self._waiting: list[DepositPayload] = []
        self._stored: list[tuple[DepositPayload, VaultPayload]] = []
        self._writer: PayloadWriter | None = None

    async def record(self, number: int, data: bytes) -> None:
        """One line of records.jsonl; its payloads follow in the order it lists them."""
        what = line_name(number)
        self._finish_record()
        self._bytes += len(data)
        if self._bytes > DEPOSIT_RECORD_BYTES_MAX:
            raise Malformed(what, "", f"the dossier's lines have more than {DEPOSIT_RECORD_BYTES_MAX} bytes")
        line = parse_deposit_line(data, what=what)
        self._check_place(line, what)
        check_event_time(line, now_s=self._clock.now_ms() // 1000, skew_s=FUTURE_SKEW_S, what=what)
        try:
            kind = self._catalogue.kind(line.kind, line.kind_version)
            self._catalogue.check(line.kind, line.kind_version, line.fields)
        except Malformed as error:
            raise error.within(what) from None
        self._line = (number, line, kind, _confidentiality(line, kind, what))
        self._waiting = list(line.payloads)

    def _check_place(self, line: DepositLine, what: str) -> None:
        if line.reference != self.reference:
            raise Malformed(what, "dossier", "belongs to another dossier than the deposit it came in")
        if not self._records:
            return
        expected = self._records[-1].line.seq + 1
        if line.seq < expected:
            raise Malformed(what, "seq", f"is {line.seq}, which came before in this deposit; expected {expected}")
        if line.seq > expected:
            raise Malformed(what, "seq", f"is {line.seq}, expected {expected}: records come in order without gaps")
        if expected >= RECORDS_PER_DOSSIER_MAX:
            raise Malformed(what, "seq", f"a dossier has at most {RECORDS_PER_DOSSIER_MAX} records")

    async def payload(self, data: bytes, *, last: bool) -> None:
        """The next bytes of the payload that is due."""
        if self._line is None or not self._waiting:
            what = line_name(self._line[0]) if self._line else "deposit"
            raise Malformed(what, "payloads", "bytes arrived for a payload that the line does not list")
        declared = self._waiting[0]
        if self._writer is None:
            self._writer = await asyncio.to_thread(self._vault.begin)
        what = line_name(self._line[0])
        if self._writer.size + len(data) > (PAYLOAD_BYTES_MAX if declared.size is None else declared.size):
            raise Malformed(what, f"payloads ({declared.name})", "more bytes arrived than are declared or allowed")
        await asyncio.to_thread(self._writer.write, data)
        if last:
            stored = await asyncio.to_thread(self._writer.finish)
            self._writer = None
            self._stored.append((declared, stored))
            self._waiting.pop(0)
            check_payload(declared, size=stored.size, sha256=stored.sha256, what=what)

    def taken(self) -> Sequence[TakenRecord]:
        """All records, once the last one is complete. Raises `Malformed` for an empty deposit."""
        self._finish_record()
        if not self._records:
            raise Malformed("deposit", "dossier", "holds no record")
        return self._records

    def _finish_record(self) -> None:
        if self._line is None:
            return
        number, line, kind, confidentiality = self._line
        if self._waiting or self._writer is not None:
            name = self._waiting[0].name
            raise Malformed(line_name(number), f"payloads ({name})", "its bytes did not arrive")
        self._records.append(
            TakenRecord(
                number=number, line=line, kind=kind, confidentiality=confidentiality, payloads=tuple(self._stored)
            )
        )
        self._line = None
        self._stored = []

    def discard(self) -> None:
        """Forget everything that arrived, payloads included. Synchronous; call off the loop."""
        if self._writer is not None:
            self._writer.abort()
            self._writer = None
        for _, stored in self._stored:
            self._vault.discard(stored)
        for record in self._records:
            for _, stored in record.payloads:
                self._vault.discard(stored)
        self._records, self._stored, self._line = [], [], None


def _confidentiality(line: DepositLine, kind: KindInfo, what: str) -> str:
    """The kind's class unless the line names a stricter one: privileged content is never opened by a deposit."""
    if not line.confidentiality or line.confidentiality == kind.confidentiality:
        return kind.confidentiality
    if kind.confidentiality != "ordinary":
        raise Malformed(what, "confidentiality", f"records of kind {kind.name} are always {kind.confidentiality}")
    return line.confidentiality

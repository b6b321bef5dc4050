"""A batch's files: the manifest, the folder of grants and bundles, and the list of outcomes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from relay.app.desk import read_grant_file
from relay.core.batch import BadRow, BatchRow, ManifestForm
from relay.core.errors import Malformed
from relay.core.limits import BATCH_LINE_BYTES_MAX
from relay.durable.errors import StorageFailed
from relay.durable.files import make_folder, sync_folder
from relay.ports.batch import RowOutcome, RowState
from relay.store.batch import SqliteBatchState

STATE: Final = "state"
GRANTS: Final = "grants"
BUNDLES: Final = "bundles"
OUTCOME: Final = "outcome.jsonl"
_READ_BYTES: Final = 1024 * 1024


def form_of(manifest: Path) -> ManifestForm:
    """By the file's name. Raises `Malformed`."""
    forms: dict[str, ManifestForm] = {".csv": "csv", ".jsonl": "jsonl"}
    form = forms.get(manifest.suffix)
    if form is None:
        raise Malformed(str(manifest), "", "must be named .csv or .jsonl, as docs/spec/batch.md describes them")
    return form


def lines_of(manifest: Path) -> Iterator[bytes]:
    """Every line with its end; one that is too long is cut just beyond the limit. Raises `Malformed`."""
    try:
        with manifest.open("rb") as file:
            yield from _bounded(file)
    except OSError as error:
        raise Malformed(str(manifest), "", f"cannot be read: {error.strerror}") from None


def _bounded(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(BATCH_LINE_BYTES_MAX + 1):
        yield line
        while len(line) > BATCH_LINE_BYTES_MAX and not line.endswith(b"\n"):
            line = file.readline(BATCH_LINE_BYTES_MAX + 1)


def digest_of(manifest: Path) -> bytes:
    """SHA-256 of the file. Raises `Malformed`."""
    try:
        with manifest.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise Malformed(str(manifest), "", f"cannot be read: {error.strerror}") from None


def name_of(number: int, suffix: str) -> str:
    """Files are named by row number: a case number may be anything and is nobody else's business."""
    return f"{number:07d}{suffix}"


def make_folders(out: Path) -> None:
    """The batch's folder and what is in it. Raises `StorageFailed`."""
    for name in (STATE, GRANTS, BUNDLES):
        make_folder(out / name)


def grant_in(folder: Path, number: int) -> bytes:
    """The grant of a row from a folder of grants. Raises `Malformed`."""
    path = folder / name_of(number, ".grant")
    try:
        return read_grant_file(path)
    except Malformed as error:
        raise Malformed("grant", "", f"{path.name}: {error.reason}") from None


def put_bundle(part: Path, final: Path) -> str:
    """Make a written bundle durable under its name; its SHA-256 in hex. Synchronous. Raises `StorageFailed`."""
    try:
        with part.open("rb") as file:
            os.fsync(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        part.replace(final)
    except OSError as error:
        raise StorageFailed(f"{final}: {error}") from error
    sync_folder(final.parent)
    return digest


def write_grants(folder: Path, outcomes: Iterable[RowOutcome]) -> None:
    """Put grants into files for the court; one that is there already stays. Synchronous. Raises `StorageFailed`."""
    try:
        for outcome in outcomes:
            path = folder / name_of(outcome.number, ".grant")
            data = outcome.grant + b"\n"
            if outcome.grant and (not path.exists() or path.read_bytes() != data):
                path.write_bytes(data)
    except OSError as error:
        raise StorageFailed(f"{folder}: {error}") from error


def as_json(outcome: RowOutcome) -> dict[str, Any]:
    """One row of the list of outcomes (docs/spec/batch.md)."""
    return {
        "row": outcome.number,
        "case": outcome.case,
        "dossier": outcome.dossier,
        "state": outcome.state.value,
        "grant": outcome.grant_digest,
        "verdict": outcome.verdict,
        "bundle": outcome.bundle,
        "bundle_sha256": outcome.bundle_sha256,
        "disclosures": outcome.disclosures,
        "field": outcome.field,
        "reason": outcome.reason,
        "seconds": round(outcome.seconds, 3),
    }


async def all_outcomes(state: SqliteBatchState) -> AsyncIterator[list[RowOutcome]]:
    """Every stored row, by number, a page at a time."""
    after = 0
    while page := await state.page(after):
        after = page[-1].number
        yield page


async def write_outcomes(out: Path, state: SqliteBatchState, rows: Iterable[BatchRow | BadRow]) -> None:
    """The list of outcomes, one line for every row of the manifest, whole or not at all; and the grants as files."""
    draft = out / (OUTCOME + ".new")
    left = iter(rows)
    try:
        with draft.open("w", encoding="utf-8", newline="\n") as file:
            async for page in all_outcomes(state):
                write_grants(out / GRANTS, page)
                by_number = {outcome.number: outcome for outcome in page}
                for row in left:
                    file.write(_line(row, by_number.get(row.number)))
                    if row.number == page[-1].number:
                        break
            for row in left:
                file.write(_line(row, None))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(out / OUTCOME)
    except OSError as error:
        raise StorageFailed(f"{draft}: {error}") from error
    sync_folder(out / GRANTS)
    sync_folder(out)


def _line(row: BatchRow | BadRow, outcome: RowOutcome | None) -> str:
    if outcome is None or outcome.state not in (RowState.DONE, RowState.FAILED, RowState.GRANTED):
        begun = outcome or RowOutcome(number=row.number, case=row.case, dossier=row.dossier, state=RowState.GRANTING)
        return json.dumps({**as_json(begun), "state": "not done"}, ensure_ascii=False) + "\n"
    return json.dumps(as_json(outcome), ensure_ascii=False) + "\n"

"""The verbs `courtrelay batch …`: a manifest of many cases, granted and retrieved, each row once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from relay.app import batch_files as files
from relay.app.desk import DAY_S, Advance, open_desk
from relay.app.runtime import SystemClock, backoff, random_bytes
from relay.config.roles import read_desk
from relay.core.batch import BadRow, BatchRow, read_manifest
from relay.core.errors import Malformed
from relay.durable.errors import StorageFailed
from relay.ports.batch import BatchHead, Retrieved, RowState
from relay.services.batching.pace import Pace
from relay.services.batching.run import BatchRun, Stage, Tally
from relay.services.custodian.scopes import GrantCommand
from relay.store.batch import SqliteBatchState
from relay.transport.channels import channel
from relay.wire.desks import CourtDeskClient, CustodianDeskClient

STAGES: Final = {"grant": Stage.GRANT, "retrieve": Stage.RETRIEVE, "all": Stage.GRANT | Stage.RETRIEVE}
BATCH_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchWish:
    """A run as asked for at a terminal. `grants` is the folder of grant files for the stage `retrieve`; `desks` by court id."""

    manifest: Path
    out: Path
    home: Path
    stage: str
    grants: Path | None
    desks: Mapping[str, Path]
    court: str
    days: int
    uses: int
    rate: float
    parallel: int
    patience_s: float
    again: bool


def _rows(manifest: Path, court: str) -> Iterator[BatchRow | BadRow]:
    try:
        yield from read_manifest(files.lines_of(manifest), files.form_of(manifest), court)
    except Malformed as error:
        raise error.within(str(manifest)) from None


def check(manifest: Path, court: str) -> dict[str, Any]:
    """Read a manifest and say what is wrong with it. Raises `Malformed` for the file itself."""
    rows = 0
    bad: list[dict[str, Any]] = []
    for row in _rows(manifest, court):
        rows += 1
        if isinstance(row, BadRow):
            bad.append({"row": row.number, "line": row.line, "field": row.field, "reason": row.reason})
    return {"rows": rows, "good": rows - len(bad), "bad": bad}


class _Lender:
    """The lender's desk of a home, opened when it is first needed."""

    def __init__(self, wish: BatchWish, stack: AsyncExitStack) -> None:
        self._wish = wish
        self._stack = stack
        self._client: CustodianDeskClient | None = None
        self._court = ""

    async def _open(self) -> CustodianDeskClient:
        if self._client is None:
            opened, config = await self._stack.enter_async_context(open_desk(self._wish.home, "lender-desk"))
            self._client, self._court = CustodianDeskClient(opened), config.court
        return self._client

    async def issue(self, row: BatchRow, request_id: bytes, begun_s: int) -> bytes:
        """See relay.ports.batch.LenderDesk."""
        client = await self._open()
        token, _ = await client.issue_grant(
            GrantCommand(
                court=row.court or self._court,
                case=row.case,
                dossiers=(row.dossier,),
                kinds=row.kinds,
                mode="retrieve",
                purpose=row.purpose,
                not_before_s=begun_s,
                expires_s=row.expires_s or begun_s + self._wish.days * DAY_S,
                uses=self._wish.uses,
                profile=row.profile,
                request_id=request_id,
            )
        )
        return token


class _Courts:
    """The courts' desks, each opened when it is first needed; bundles go into the batch's folder."""

    def __init__(self, wish: BatchWish, stack: AsyncExitStack) -> None:
        self._wish = wish
        self._stack = stack
        self._clients: dict[Path, CourtDeskClient] = {}

    async def _open(self, court: str) -> CourtDeskClient:
        folder = self._wish.desks.get(court, self._wish.home / "court-desk")
        if folder not in self._clients:
            config = read_desk(folder / "desk.toml")
            opened = await self._stack.enter_async_context(channel(config.address, config.tls))
            self._clients.setdefault(folder, CourtDeskClient(opened))
        return self._clients[folder]

    async def retrieve(self, row: BatchRow, grant: bytes, request_id: bytes) -> Retrieved:
        """See relay.ports.batch.CourtDesk."""
        client = await self._open(row.court)
        done = None
        async for event in client.retrieve(grant, "", row.officer, row.purpose, request_id):
            if event.WhichOneof("event") == "done":
                done = event.done
        if done is None:
            raise Malformed("retrieval", "", "ended without a result")
        name = f"{files.BUNDLES}/{files.name_of(row.number, '.zip')}"
        final = self._wish.out / name
        part = final.with_suffix(".part")
        await _write(part, client.bundle(done.bundle_id))
        digest = await asyncio.to_thread(files.put_bundle, part, final)
        verdict = str(json.loads(done.verdict)["verdict"])
        return Retrieved(verdict=verdict, bundle=name, bundle_sha256=digest, disclosures=done.attempts)


async def _write(path: Path, chunks: AsyncIterator[bytes]) -> None:
    """A disk that is full ends the batch: it is no row's fault."""
    try:
        with path.open("wb") as file:
            async for chunk in chunks:
                file.write(chunk)
    except OSError as error:
        raise StorageFailed(f"{path}: {error}") from error


async def run(wish: BatchWish, advance: Advance) -> tuple[Tally, Counter[str]]:
    """Run or resume a batch; what came of this run, and the verdicts of all done rows. Raises `Malformed`, `Conflict`, StorageFailed."""
    stage = STAGES.get(wish.stage)
    if stage is None:
        raise Malformed("batch", "--stage", f"{wish.stage[:40]!a} is none; must be {', '.join(STAGES)}")
    court = wish.court or _default_court(wish, stage)
    checked = check(wish.manifest, court)
    files.make_folders(wish.out)
    terms = json.dumps({"days": wish.days, "uses": wish.uses, "court": court}, sort_keys=True)
    async with AsyncExitStack() as stack:
        state = await SqliteBatchState.open(wish.out / files.STATE)
        stack.push_async_callback(state.close)
        head = await state.begin(
            BatchHead(
                id=random_bytes(BATCH_ID_BYTES),
                manifest=files.digest_of(wish.manifest),
                terms=terms,
                rows=checked["rows"],
                begun_s=SystemClock().now_ms() // 1000,
            )
        )
        running = _batch(wish, head, state, stage, stack, advance)
        try:
            tally = await running.run(_rows(wish.manifest, court), checked["rows"])
        finally:
            await files.write_outcomes(wish.out, state, _rows(wish.manifest, court))
        verdicts: Counter[str] = Counter()
        async for page in files.all_outcomes(state):
            verdicts.update(o.verdict for o in page if o.state is RowState.DONE)
        return tally, verdicts


def _default_court(wish: BatchWish, stage: Stage) -> str:
    if Stage.GRANT not in stage:
        return ""
    return read_desk(wish.home / "lender-desk" / "desk.toml").court


def _batch(
    wish: BatchWish,
    head: BatchHead,
    state: SqliteBatchState,
    stage: Stage,
    stack: AsyncExitStack,
    advance: Callable[[int, int], None],
) -> BatchRun:
    grants = wish.grants or wish.out / files.GRANTS
    now_s = asyncio.get_running_loop().time
    return BatchRun(
        head=head,
        state=state,
        stage=stage,
        lender=_Lender(wish, stack),
        court=_Courts(wish, stack),
        grants=lambda number: files.grant_in(grants, number),
        pace_for=lambda _court: Pace(
            rate=wish.rate, patience_s=wish.patience_s, now_s=now_s, sleep=asyncio.sleep, backoff=backoff
        ),
        parallel=wish.parallel,
        again=wish.again,
        now_s=now_s,
        advance=advance,
    )


async def report(folder: Path) -> dict[str, Any]:
    """What has come of a batch so far. Raises `NotFound` for a folder without one, `Conflict` while it runs."""
    if not (folder / files.STATE / "batch.sqlite").is_file():
        raise Malformed(str(folder), "", "is no folder of a batch; give the --out of `courtrelay batch run`")
    state = await SqliteBatchState.open(folder / files.STATE)
    try:
        head = await state.held()
        rows: list[dict[str, Any]] = []
        async for page in files.all_outcomes(state):
            rows += [files.as_json(outcome) for outcome in page]
    finally:
        await state.close()
    states = Counter(row["state"] for row in rows)
    finished = states["done"] + states["failed"]
    return {
        "rows": head.rows,
        "done": states["done"],
        "failed": states["failed"],
        "granted": states["granted"],
        "not_done": head.rows - finished - states["granted"],
        "verdicts": dict(Counter(row["verdict"] for row in rows if row["state"] == "done")),
        "asked_more_than_once": [row["row"] for row in rows if row["disclosures"] > 1],
        "outcomes": rows,
    }

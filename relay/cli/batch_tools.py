"""`courtrelay batch …`: many cases from one manifest, each granted and retrieved once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from relay.app import batch
from relay.app.exits import EXIT_FAILED, EXIT_STORAGE
from relay.cli import output
from relay.cli.common import DEFAULT_HOME, Home, Json, run
from relay.core.batch import join_csv
from relay.core.errors import Malformed
from relay.durable.errors import StorageFailed

batch_app: Final = typer.Typer(no_args_is_help=True, help="Many cases at once: run, check, report.")

EXIT_OPEN: Final = 3
SHOWN_MAX: Final = 50

Manifest = Annotated[Path, typer.Argument(help="CSV with a header, or JSON Lines; see docs/spec/batch.md.")]
Court = Annotated[str, typer.Option("--court", help="Court of rows that name none; default the one of HOME.")]


@batch_app.command("check")
def check(manifest: Manifest, court: Court = "", as_json: Json = False) -> None:
    """Read a manifest and name every row that cannot be done. Asks nobody. Exit 1 when there is one."""
    found = batch.check(manifest, court)
    if as_json:
        output.as_json(found)
    else:
        for row in found["bad"][:SHOWN_MAX]:
            output.complain(f"row {row['row']} (line {row['line']}): {_place(row)}")
        if len(found["bad"]) > SHOWN_MAX:
            output.complain(f"and {len(found['bad']) - SHOWN_MAX} more; --json names all")
        output.say(f"{found['rows']} rows, {found['good']} can be done, {len(found['bad'])} cannot")
    if found["bad"]:
        sys.exit(EXIT_FAILED)


def _place(row: dict[str, Any]) -> str:
    return f"{row['field']}: {row['reason']}" if row["field"] else str(row["reason"])


def _desks(pairs: list[str]) -> dict[str, Path]:
    desks = {}
    for pair in pairs:
        court, sign, folder = pair.partition("=")
        if not sign or not folder:
            raise Malformed("batch", "--desk", f"{pair[:80]!a} must be COURT=FOLDER, the folder with its desk.toml")
        desks[court] = Path(folder)
    return desks


@batch_app.command("run")
def run_batch(
    manifest: Manifest,
    out: Annotated[Path, typer.Option("--out", help="Folder of the batch; the same again resumes it.")],
    home: Home = DEFAULT_HOME,
    stage: Annotated[str, typer.Option(help="grant (the lender), retrieve (the court), or all.")] = "all",
    grants: Annotated[Path | None, typer.Option(help="Grant files for `retrieve`; default those in OUT.")] = None,
    desk: Annotated[list[str] | None, typer.Option("--desk", help="COURT=FOLDER: a court's own desk.")] = None,
    court: Court = "",
    days: Annotated[int, typer.Option(min=1, max=3660, help="Grants are valid so long.")] = 90,
    uses: Annotated[int, typer.Option(min=1, max=1000, help="Uses of each grant.")] = 3,
    rate: Annotated[float, typer.Option(min=0, max=10_000, help="Rows a second and destination; 0 is no limit.")] = 0,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Rows at a time.")] = 8,
    patience: Annotated[float, typer.Option(min=0, max=86_400, help="Seconds a destination may be away.")] = 60,
    again: Annotated[bool, typer.Option("--again", help="Try once more what failed at a desk.")] = False,
    as_json: Json = False,
) -> None:
    """Grant and retrieve every row once. Exit 0 all done and consistent, 1 a row failed, 3 rows are left: run it again."""
    wish = batch.BatchWish(
        manifest=manifest,
        out=out,
        home=home,
        stage=stage,
        grants=grants,
        desks=_desks(desk or []),
        court=court,
        days=days,
        uses=uses,
        rate=rate,
        parallel=parallel,
        patience_s=patience,
        again=again,
    )
    try:
        with output.progress("Rows", quiet=as_json) as advance:
            tally, verdicts = run(batch.run(wish, advance))
    except StorageFailed as error:
        output.complain(f"error: {error}; look at the disk, then run the same command again")
        sys.exit(EXIT_STORAGE)
    left = sum(tally.not_done.values())
    if as_json:
        output.as_json(
            {
                "rows": tally.total,
                "done": tally.done,
                "failed": tally.failed,
                "finished_before": tally.before,
                "not_done": left,
                "reasons": tally.not_done,
                "verdicts": dict(verdicts),
            }
        )
    else:
        output.say(f"{tally.total} rows: {tally.done} done, {tally.failed} failed, {left} not done; outcomes in {out}")
        for verdict, count in sorted(verdicts.items()):
            output.say(f"  {count} {verdict}")
        for reason, count in tally.not_done.items():
            output.complain(f"{count} rows not done: {reason}; run the same command again")
    if left:
        sys.exit(EXIT_OPEN)
    if tally.failed or set(verdicts) - {"CONSISTENT"}:
        sys.exit(EXIT_FAILED)


@batch_app.command("report")
def report(
    folder: Annotated[Path, typer.Argument(help="The --out of `batch run`.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print all outcomes as CSV (RFC 4180).")] = False,
    as_json: Json = False,
) -> None:
    """What has come of a batch so far: counts, failed rows with field and reason."""
    found = run(batch.report(folder))
    if as_json:
        output.as_json(found)
        return
    rows = found["outcomes"]
    if as_csv:
        names = list(rows[0]) if rows else ["row"]
        sys.stdout.write(join_csv(names))
        for row in rows:
            sys.stdout.write(join_csv(str(row[name]) for name in names))
        return
    words = ("rows", "done", "failed", "granted", "not_done")
    output.say(", ".join(f"{found[word]} {word.replace('_', ' ')}" for word in words))
    for verdict, count in sorted(found["verdicts"].items()):
        output.say(f"  {count} {verdict}")
    failed = [row for row in rows if row["state"] == "failed"]
    for row in failed[:SHOWN_MAX]:
        output.say(f"  row {row['row']}: {_place(row)}")
    if len(failed) > SHOWN_MAX:
        output.say(f"  and {len(failed) - SHOWN_MAX} more; --csv or --json shows all")
    if found["asked_more_than_once"]:
        output.say(f"  the court asked more than once for rows {found['asked_more_than_once']}")

"""Canaries: after one allowed retrieval and many denials, nothing of any dossier stands where it does not belong."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import sqlite3
import zlib
from pathlib import Path
from typing import Any

import pytest

from relay.app import console, desk
from relay.core.errors import Denied
from relay.services.court.retrieval import Done
from relay.transport.channels import channel
from relay.transport.status import to_status
from relay.wire.desks import CourtDeskClient
from tests.authz.canary import MARK, canary, find, forms, in_files, privileged
from tests.authz.denials import DENIALS
from tests.authz.stage import REFUSED, Stage

on_the_stage = pytest.mark.asyncio(loop_scope="module")
ROLES = ("relay", "court", "lender-ledger", "court-ledger")
TEXT = canary("control").encode()
CLOTHES: dict[str, bytes] = {
    "raw": TEXT,
    "in a sentence": b"x" * 1000 + TEXT + b"y",
    "hex": TEXT.hex().encode(),
    "HEX": TEXT.hex().upper().encode(),
    "UTF-16": MARK.encode("utf-16-le"),
    "UTF-16 of the other end": MARK.encode("utf-16-be"),
    "zlib": b"head" + zlib.compress(b"a" * 50 + TEXT),
    "zlib, best": b"head" + zlib.compress(TEXT, 9),
    "gzip": gzip.compress(b"a" * 500 + TEXT + b"b" * 500),
    "base64 in zlib": zlib.compress(base64.b64encode(b"ab" + TEXT)),
    **{f"base64 at {n}": base64.b64encode(b"?" * n + TEXT + b"~~") for n in range(7)},
    **{f"base64url at {n}": base64.urlsafe_b64encode(b"?" * n + TEXT + b"~~").rstrip(b"=") for n in range(7)},
    **{f"hex in base64 at {n}": base64.b64encode(b"?" * n + TEXT.hex().encode()) for n in range(3)},
}


@pytest.mark.parametrize("clothes", CLOTHES)
def test_search_knows_a_canary_in_its_clothes(clothes: str) -> None:
    assert find(CLOTHES[clothes])


def test_search_finds_nothing_in_what_holds_nothing() -> None:
    for seed in (b"a", b"b"):
        assert (
            find(zlib.compress(seed * 1000) + base64.b64encode(seed * 1000) + b"canary" + MARK[:-1].encode()) == set()
        )


@on_the_stage
@pytest.mark.parametrize("clothes", ["raw", "base64 at 1", "hex", "UTF-16", "zlib"])
async def test_tap_and_search_find_a_canary_that_is_sent_in_the_clear(stage: Stage, clothes: str) -> None:
    """Over the same wire, tap and search as the denials: here it must be found, or finding nothing there means nothing."""
    since = len(stage.way.tap.seen)
    await stage.ask(CLOTHES[clothes])
    found = stage.leaks(since)
    assert any("/relay.wire.v1.CourtPort/Retrieve in" in line for line in found), found
    del stage.way.tap.seen[since:]


@on_the_stage
async def test_search_finds_a_canary_in_a_log_a_status_a_file_and_a_database(stage: Stage) -> None:
    text = TEXT.decode()
    logging.getLogger("relay.control").debug("asked about %s", text)
    assert any(line.startswith("logs") for line in stage.leaks())
    stage.way.tap.lines.clear()
    data = stage.way.relay.common.data
    (data / "control.txt").write_bytes(CLOTHES["base64 at 2"])
    with sqlite3.connect(data / "control.sqlite") as connection:
        connection.execute("CREATE TABLE seen (what BLOB)")
        connection.execute("INSERT INTO seen VALUES (?)", (b"\x00" * 5000 + TEXT,))
    connection.close()
    (data / f"{text}.bin").write_bytes(b"")
    found = "\n".join(stage.leaks())
    for name in ("control.txt", "control.sqlite", "in its name"):
        assert name in found
    for path in (*data.glob("control.*"), data / f"{text}.bin"):
        path.unlink()
    assert stage.leaks() == []


@on_the_stage
async def test_a_whole_run_leaves_nothing_of_any_dossier_with_anybody_but_the_court_that_may(stage: Stage) -> None:
    """Every denial once, one allowed retrieval with its bundle fetched, status and listings of every role."""
    for denial in DENIALS:
        situation = await denial.arrange(stage, denial.name)
        answer = await stage.ask(situation.asked, over=stage.elsewhere if situation.elsewhere else None)
        situation.undo()
        assert answer.status == REFUSED
    since = len(stage.way.tap.seen)
    bundle, shown = await _retrieve_at_the_desk(stage)
    assert canary("allowed").encode() in bundle
    _nothing_outside_the_court(stage, shown)
    _nothing_of_another_dossier_at_the_court(stage, since)


async def _retrieve_at_the_desk(stage: Stage) -> tuple[bytes, dict[str, Any]]:
    """As an officer and an operator do: through the desks, over their own certificates."""
    home = stage.way.home
    out = home / "officer" / "bundle.zip"
    grant = home / "officer" / "allowed.grant"
    grant.parent.mkdir()
    grant.write_text(await stage.grant("allowed"))
    wish = desk.RetrieveWish(grant=grant, dossier="", officer="judge-7", purpose="filing")
    verdict = await desk.retrieve(home, wish, out, lambda _done, _total: None)
    assert verdict["verdict"] == "CONSISTENT", verdict
    shown = {"status": await console.facts(home), "grants": await desk.list_grants(home)}
    return out.read_bytes(), shown


def _nothing_outside_the_court(stage: Stage, shown: dict[str, Any]) -> None:
    """Relay, ledgers, logs, statuses and listings know no dossier at all, not even the one that was allowed."""
    tap = stage.way.tap
    desk_calls = ("/relay.wire.v1.CourtDesk/Retrieve", "/relay.wire.v1.CourtDesk/FetchBundle")
    seen = [one for one in tap.passed("relay", "court") if one.method not in desk_calls]
    assert {"/relay.wire.v1.CourtPort/Retrieve", "/relay.wire.v1.CustodianPort/Answer",
            "/relay.wire.v1.RelayAdmin/Status", "/relay.wire.v1.CourtDesk/Status"} <= {one.method for one in seen}  # fmt: skip
    assert [(one.method, one.direction) for one in seen if find(one.data)] == []
    statuses = [one for one in tap.passed("relay", "court", "custodian") if one.direction == "status"]
    assert [one for one in statuses if find(one.data)] == []
    assert find("\n".join(tap.lines).encode()) == set()
    assert find(json.dumps(shown).encode()) == set()
    assert list(in_files(stage.way.home / role for role in ROLES if role != "court")) == []


def _nothing_of_another_dossier_at_the_court(stage: Stage, since: int) -> None:
    """The court has what it may have: no text of a denied dossier, and none of the privileged record."""
    names = [denial.name for denial in DENIALS] + ["honest", "long"]
    others = [canary(name) for name in names] + [privileged(name) for name in (*names, "allowed")]
    looks = [form for text in others for form in forms(text.encode()).values()]
    files = [path for path in sorted((stage.way.home / "court").rglob("*")) if path.is_file()]
    data = [path.read_bytes() for path in files]
    assert any(find(one) for one in data), "the allowed dossier is there"
    data += [one.data for one in stage.way.tap.passed("court", since=since)]
    assert [look for look in looks if any(look in one for one in data)] == []


@on_the_stage
async def test_nothing_of_an_error_leaves_but_its_kind(stage: Stage) -> None:
    """A programming mistake whose text holds a loan: outside there is a number."""
    code, details, trailer = to_status(RuntimeError(f"no such customer {TEXT.decode()}"), "/a/b")
    assert find(repr((code, details, trailer)).encode()) == set()
    assert find("\n".join(stage.way.tap.lines).encode()), "the role's own log has it, with the number"
    stage.way.tap.lines.clear()
    assert details.startswith("internal error, log id ")


@on_the_stage
async def test_a_bundle_is_handed_to_the_courts_own_desk_only(stage: Stage, tmp_path: Path) -> None:
    """Another court and a lender's desk ask the gateway for a stored bundle by its number."""
    events = await stage.ask_as_a_court_does(await stage.grant("honest"))
    done = next(event for event in events if isinstance(event, Done))
    home = stage.way.home
    for role in ("lender-desk", "relay-desk", "custodian", "relay"):
        tls = stage.way.gateway.common.tls
        folder = home / role
        other = type(tls)(ca=tls.ca, certificate=folder / "tls.pem", key=folder / "tls.key")
        async with channel(stage.way.gateway.common.listen, other) as opened:
            with pytest.raises(Denied, match="not permitted"):
                await CourtDeskClient(opened).fetch_bundle(done.bundle_id, tmp_path / "b.zip")
        assert (tmp_path / "b.zip").read_bytes() == b""

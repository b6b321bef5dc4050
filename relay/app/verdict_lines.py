"""A verdict as lines for people at a terminal, in their language. The document itself stays English (docs/spec/verdict.md)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from relay.words import Speaker, speaker


def verdict_lines(verdict: Mapping[str, Any], w: Speaker | None = None) -> Iterator[str]:
    """Records first, then steps, then what it does not prove. `verdict` is the document, with or without `trust_roots`."""
    w = w or speaker("en")
    unknown = w.text("(unknown)")
    yield w.text(
        "Dossier {dossier}, case {case}", dossier=verdict["dossier"] or unknown, case=verdict["case"] or unknown
    )
    for row in verdict["records"]:
        yield _record(row, w)
    for step in verdict["steps"]:
        number = padded(w.text("step {number}", number=f"{step['number']:>2}"), 8)
        yield f"  {number} {padded(w.step(step['name']), 20)} {padded(w.result(step['result']), 8)} {w.said(step['detail'])}"
    yield _conclusion(verdict, w)
    if stale := verdict.get("trust_roots", {}).get("stale"):
        warned = w.text("{stale}; a key that was revoked since then is taken for good here", stale=w.said(stale))
        yield "  " + w.text("note: {text}", text=warned)
    for line in verdict["does_not_prove"]:
        yield "  " + w.text("note: {text}", text=w.said(line))


def _record(row: Mapping[str, Any], w: Speaker) -> str:
    anchored = w.time(row["anchored_ms"]) or w.text("not anchored yet")
    said = w.verdict(row["verdict"])
    if row["status"] != "disclosed":
        said = w.text("{verdict} ({status})", verdict=said, status=w.status(row["status"]))
    closed = [w.member(name) for name in row["withheld_members"]]
    closed += [w.text("file {name}", name=name) for name in row["withheld_payloads"]]
    more = [w.said(row["reason"])] if row["reason"] else []
    more += [w.text("withheld: {names}", names=", ".join(closed))] if closed else []
    more += [w.text("late addition: {reason}", reason=w.said(row["late_addition"]))] if row["late_addition"] else []
    more += [w.text("marked: {marks}", marks=", ".join(w.said(mark) for mark in row["marks"]))] if row["marks"] else []
    seq = padded(w.text("seq {seq}", seq=f"{row['seq']:>3}"), 8)
    return "  ".join([f"  {seq}", padded(w.kind(row["kind"]), 31), padded(said, 24), anchored, *more])


def _conclusion(verdict: Mapping[str, Any], w: Speaker) -> str:
    summary = verdict["summary"]
    if summary.startswith(f"{verdict['verdict']}: "):
        return w.said(summary)
    return w.text("{verdict}: {summary}", verdict=w.verdict(verdict["verdict"]), summary=w.said(summary))


def padded(text: str, columns: int) -> str:
    """With spaces to that many columns of a terminal, where a Chinese character takes two."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return text + " " * (columns - len(text) - wide)

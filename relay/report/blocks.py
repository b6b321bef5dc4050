"""Blocks A to D, K and L of a report as they are printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from reportlab.platypus import Flowable

from relay.core.report import Report
from relay.core.verdict import Finding
from relay.report.drawings import shape, timeline
from relay.report.layout import Look, facts, grid, heading, space

Block = Mapping[str, Any]
MARK: Final = 9


def report_block(look: Look, report: Report) -> list[Flowable]:
    """A: the report."""
    a = report.blocks["A"]
    seal = a["certificate"]
    rows = [
        (look.t("Report number"), a["number"] or look.t("none: a draft")),
        (look.t("Issued"), look.words.time(a["issued_ms"])),
        (look.t("Issuer"), ", ".join(part for part in (a["issuer_name"], a["issuer"]) if part)),
        (look.t("Licence or filing number"), a["licence"]),
        (look.t("Seal's certificate"), _certificate(look, seal)),
        (look.t("Certificate's SHA-256"), seal["sha256"]),
        (look.t("Retrieval code"), a["code"]),
        (look.t("Replaces report"), a["supersedes"] or look.t("none")),
        (look.t("Template"), a["template"]),
        (look.t("Not printed under this profile"), ", ".join(report.left_out) or look.t("nothing")),
    ]
    return [*heading(look, "A", look.t("Report"), facts(look, rows))]


def _certificate(look: Look, seal: Block) -> str:
    if not seal["sha256"]:
        return look.t("none: this copy is not sealed")
    return look.t(
        "{subject}, serial number {serial}, issued by {issuer}, valid {start} to {end}",
        subject=seal["subject"],
        serial=seal["serial"],
        issuer=seal["issuer"],
        start=look.time(seal["not_before_ms"]),
        end=look.time(seal["not_after_ms"]),
    )


def applicant(look: Look, report: Report) -> list[Flowable]:
    """B: applicant and purpose."""
    b = report.blocks["B"]
    kinds = [look.t("all ordinary kinds") if kind == "*" else _kind(look, kind) for kind in b["kinds"]]
    rows = [
        (look.t("Lender"), ", ".join(part for part in (b["lender_name"], b["lender"]) if part)),
        (look.t("Unified social credit code"), b["credit_code"]),
        (look.t("Requested by"), b["requested_by"]),
        (look.t("Case"), b["case"]),
        (look.t("Dossier"), b["dossier"]),
        (look.t("Authorization (grant)"), b["grant"]),
        (look.t("Purpose"), ", ".join(p for p in (b["purpose"], _purpose(look, b["purpose_class"])) if p)),
        (look.t("Scope"), ", ".join([look.t("profile {name}", name=b["profile"])] if b["profile"] else kinds)),
        (look.t("Valid"), f"{look.time(b['valid_from_ms'])} – {look.time(b['valid_to_ms'])}"),
        (look.t("Registered on the court's ledger"), look.words.time(b["registered_ms"])),
    ]
    return [*heading(look, "B", look.t("Applicant and purpose"), facts(look, rows))]


def subject(look: Look, report: Report) -> list[Flowable]:
    """C: the party, masked."""
    c = report.blocks["C"]
    note = look.p(look.t("Names and numbers are masked. They are those that the lender's records state."), "soft")
    made: list[Flowable] = [*heading(look, "C", look.t("Subject"), note)]
    persons = [
        (p["name"] or look.t("not known"), _document(look, p["id_type"]),
         p["id_number"] or look.t("not known"), look.t("record {seq}, {kind}", seq=p["seq"], kind=_kind(look, p["kind"])))
        for p in c["persons"]
    ]  # fmt: skip
    head = [look.t("Name"), look.t("Kind of document"), look.t("Number"), look.t("Stated in")]
    made.append(grid(look, head, persons, (3, 4, 4, 5)) if persons else look.p(look.t("No person is known."), "soft"))
    checks = [
        (look.t("record {seq}", seq=one["seq"]), _method(look, one["method"]),
         look.known(one["provider"]), _outcome(look, one["result"]), look.known(one["checked"]))
        for one in c["checks"]
    ]  # fmt: skip
    head = [look.t("Identity check"), look.t("Method"), look.t("By"), look.t("Result"), look.t("When")]
    made.append(space(2))
    made.append(
        grid(look, head, checks, (2.4, 5, 4, 2.4, 4))
        if checks
        else look.p(look.t("No identity check is shown."), "soft")
    )
    return made


def items(look: Look, report: Report) -> list[Flowable]:
    """D: the timeline, then every record."""
    rows = report.blocks["D"]["items"]
    made: list[Flowable] = [*heading(look, "D", look.t("Records"), None)]
    drawn = timeline(look, rows)
    if drawn is not None:
        made += [
            look.p(look.t("By the event times that the lender states. A ring: not shown in this bundle."), "soft"),
            drawn,
        ]
    head = [look.t("No."), look.t("Record"), look.t("Times"), "", look.t("Verdict")]
    made += [space(2), grid(look, head, [_item(look, row) for row in rows], (9, 78, 61, 6, 23))]
    return made


def _item(look: Look, row: Block) -> Sequence[Any]:
    what = [
        (f"{_kind(look, row['kind'])} · {look.words.stage(row['stage']) if row['stage'] else look.t('other kinds')}", "strong"),
        (look.t("deposit number {number}", number=row["deposit_number"] or look.t("not known")), "plain"),
        (look.t("source: {source}; generated: {how}", source=look.known(row["source_system"]),
                how=look.known(row["evidence_source"])) if row["status"] == "disclosed" else "", "soft"),
        *_files(look, row),
        (look.t("replaces record {seq}", seq=row["supersedes"]) if row["supersedes"] >= 0 else "", "soft"),
        (look.t("withheld: {names}", names=", ".join(row["withheld_members"] + row["withheld_files"]))
         if row["withheld_members"] or row["withheld_files"] else "", "soft"),
        (look.t("added late: {why}", why=look.words.said(row["late"])) if row["late"] else "", "strong"),
        *((look.words.said(mark), "strong") for mark in row["marks"]),
    ]  # fmt: skip
    when = [
        (look.t("event, as stated: {time}", time=look.time(row["event_ms"])), "plain"),
        (look.t("lender's ledger: {time}", time=look.time(row["anchored_ms"])), "plain"),
        (look.t("court's ledger: {time}", time=look.time(row["accepted_ms"])), "plain"),
    ]
    finding = Finding(row["verdict"])
    said = [
        (look.words.verdict(finding), "strong"),
        (look.words.status(row["status"]) if row["status"] != "disclosed" else "", "plain"),
    ]
    if row["failed_step"]:
        said.append((look.t("step {number} failed", number=row["failed_step"]), "plain"))
    said.append((look.words.said(row["reason"]), "soft"))
    return str(row["seq"]), look.lines(what), look.lines(when), shape(finding, MARK), look.lines(said)


def _files(look: Look, row: Block) -> list[tuple[str, str]]:
    made = []
    for file in row["files"]:
        here = "" if file["in_bundle"] == "yes" else f" ({look.t('not in the bundle')})"
        made.append((f"{file['name']} · {file['media_type']} · {file['size']:,} B{here}", "plain"))
        made.append((f"SHA-256:{file['sha256']}", "hash"))
        if file["sm3"]:
            made.append((f"SM3:{file['sm3']}", "hash"))
    return made


def completeness(look: Look, report: Report) -> list[Flowable]:
    """K: what is there, what is closed."""
    k = report.blocks["K"]
    span = look.t("{first} to {last}, {count} records", first=k["first_seq"], last=k["last_seq"], count=k["count"])
    counts = look.t(
        "{disclosed} shown, {withheld} withheld, {erased} erased, {missing} missing",
        **{name: k[name] for name in ("disclosed", "withheld", "erased", "missing")},
    )
    rows = [
        (look.t("Sequence"), span if k["count"] else ""),
        (look.t("Of these"), counts),
        (look.t("Finding"), look.words.said(k["finding"])),
        (look.t("Newest checkpoint"), _head(look, k["head"])),
    ]
    made: list[Flowable] = [*heading(look, "K", look.t("Completeness"), facts(look, rows))]
    closed = [
        (str(row["seq"]), _kind(look, row["kind"]), look.words.status(row["status"]), look.time(row["event_ms"]),
         look.known(look.words.said(row["reason"])))
        for row in k["closed"]
    ]  # fmt: skip
    if not closed:
        return [*made, space(1), look.p(look.t("No record is withheld, erased or missing."), "soft")]
    head = [look.t("No."), look.t("Record"), look.t("Status"), look.t("Event (lender's statement)"), look.t("Reason")]
    return [*made, space(2), grid(look, head, closed, (1.2, 5, 3, 5, 7))]


def how_to_check(look: Look, report: Report) -> list[Flowable]:
    """L: the way to the same result."""
    block = report.blocks["L"]
    rows = [
        (look.t("Command"), block["command"]),
        (look.t("Bundle's SHA-256"), block["bundle_sha256"]),
        (
            look.t("Bundle's size"),
            look.t("{count} bytes", count=f"{block['bundle_bytes']:,}") if block["bundle_bytes"] else "",
        ),
        (look.t("Checkpoint"), _head(look, block["head"])),
        (look.t("Formats"), ", ".join(block["formats"])),
        (look.t("This report online"), block["url"] or look.t("none: a draft")),
        (look.t("Digest of the attached report.json"), report.digest),
    ]
    made = [*heading(look, "L", look.t("How to check this yourself"), facts(look, rows))]
    return [
        *made,
        space(1),
        look.p(
            look.t(
                "Take the evidence bundle and the court's trust roots, each from where you trust it, and run the command:"
                " it needs no network."
            )
        ),
        look.p(
            look.t(
                "This report is checked by courtrelay report check FILE --trust TRUST, or by any reader of PDF signatures;"
                " the attached report.json carries a signature of its own."
            )
        ),
        look.p(
            look.t(
                "The digest is SHA-256 over courtrelay/report/v1 and the attached document in canonical form (RFC 8785)"
                " without its member seal."
            )
        ),
    ]


def _head(look: Look, head: Block) -> str:
    if not head["root"]:
        return ""
    return look.t("{origin}, {size} entries, root {root}", origin=head["origin"], size=head["size"], root=head["root"])


def _kind(look: Look, kind: str) -> str:
    return look.words.kind(kind) if kind else look.t("not known")


def _purpose(look: Look, name: str) -> str:
    return {"trial": look.t("for trial"), "mediation": look.t("for mediation")}.get(name, name)


def _document(look: Look, name: str) -> str:
    return look.t("resident identity card") if name else look.t("not known")


def _method(look: Look, name: str) -> str:
    names = {
        "id_card_name": look.t("identity card and name"),
        "id_card_name_phone": look.t("identity card, name and phone"),
        "id_card_name_phone_bank": look.t("identity card, name, phone and bank card"),
        "in_person": look.t("in person"),
    }
    return names.get(name) or look.known(name)


def _outcome(look: Look, name: str) -> str:
    names = {
        "match": look.t("match"),
        "no_match": look.t("no match"),
        "unavailable": look.t("could not be done"),
        "passed": look.t("passed"),
        "failed": look.t("not passed"),
    }
    return names.get(name) or look.known(name)

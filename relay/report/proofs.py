"""Blocks E to J of a report as they are printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reportlab.platypus import Flowable

from relay.core.dossier import seqs_text
from relay.core.report import Report
from relay.core.verdict import Finding
from relay.core.view import PROVENANCE
from relay.report.layout import Look, facts, grid, heading, space

Block = Mapping[str, Any]


def anchoring(look: Look, report: Report) -> list[Flowable]:
    """E: the checkpoints on both ledgers."""
    e = report.blocks["E"]
    made: list[Flowable] = [*heading(look, "E", look.t("Anchoring"), facts(look, [(look.t("Log"), e["origin"])]))]
    for row in e["checkpoints"]:
        lines = [
            (look.t("Checkpoint {number}", number=row["number"]),
             look.t("{size} entries, root {root}", size=row["size"], root=row["root"])),
            (look.t("Lender's ledger"), _fact(look, row["lender"])),
            (look.t("Court's ledger"), _fact(look, row["court"])),
            (look.t("From one to the other"), look.words.duration(row["lag_ms"])),
        ]  # fmt: skip
        made += [space(1), facts(look, lines)]
    if not e["checkpoints"]:
        made.append(look.p(look.t("No record of this dossier is under an accepted checkpoint yet."), "soft"))
    return made


def _fact(look: Look, fact: Block) -> str:
    if not fact["ledger"]:
        return ""
    return look.t(
        "{ledger} ({proof}), {time}, height {height}, block {block}, transaction {tx}",
        ledger=fact["ledger"],
        proof=fact["proof"],
        time=look.time(fact["time_ms"]),
        height=fact["height"],
        block=fact["block"],
        tx=fact["tx"],
    )


def times(look: Look, report: Report) -> list[Flowable]:
    """F: the four times apart."""
    f = report.blocks["F"]
    whose = {
        "event": look.t("Events, as the lender states them"),
        "timestamp": look.t("Timestamp authorities"),
        "lender_ledger": look.t("Lender's ledger: anchored"),
        "court_ledger": look.t("Court's ledger: accepted"),
    }
    spans = [(name, look.time(f[key]["first_ms"]), look.time(f[key]["last_ms"])) for key, name in whose.items()]
    head = [look.t("Whose time"), look.t("First"), look.t("Last")]
    made: list[Flowable] = [
        *heading(look, "F", look.t("Times, each by its own clock"), grid(look, head, spans, (5, 4, 4)))
    ]
    tokens = [
        (str(t["checkpoint"]), look.known(t["authority"]), look.time(t["time_ms"]), look.known(t["serial"]))
        for t in f["tokens"]
    ]
    head = [look.t("Checkpoint"), look.t("Timestamp authority"), look.t("Time"), look.t("Serial number")]
    made.append(space(2))
    made.append(
        grid(look, head, tokens, (2, 6, 5, 5))
        if tokens
        else look.p(look.t("No timestamp of an authority is shown."), "soft")
    )
    made.append(facts(look, [(look.t("Clock source"), f["clock_source"])]))
    return made


def signatures(look: Look, report: Report) -> list[Flowable]:
    """G: who signed."""
    g = report.blocks["G"]
    seals = [
        (_signed(look, row["what"]), look.known(row["signer"]), look.time(row["at_ms"]),
         f"{look.t('step {number}', number=row['step'])}: {look.words.result(row['result'])}", look.words.said(row["detail"]))
        for row in g["seals"]
    ]  # fmt: skip
    head = [look.t("What"), look.t("Signed by"), look.t("Signed at"), look.t("Found"), look.t("Detail")]
    made: list[Flowable] = [*heading(look, "G", look.t("Signatures"), grid(look, head, seals, (3, 4.6, 3, 2.6, 6)))]
    rows = [
        (str(row["seq"]), look.known(row["document"]), look.known(row["signer"]),
         look.t("certificate {serial} of {authority}", serial=look.known(row["certificate_serial"]),
                authority=look.known(row["certificate_authority"])),
         look.known(row["signed_at"]), look.known(row["revocation"]))
        for row in g["signatures"]
    ]  # fmt: skip
    head = [
        look.t("No."),
        look.t("Document"),
        look.t("Signer"),
        look.t("Certificate"),
        look.t("Signed at"),
        look.t("Revoked at signing"),
    ]
    made.append(space(2))
    made.append(
        grid(look, head, rows, (1.2, 4, 3, 6, 4, 3))
        if rows
        else look.p(look.t("No signature of the borrower is shown."), "soft")
    )
    return made


def provenance(look: Look, report: Report) -> list[Flowable]:
    """H: the six headings; records that state the same stand in one row."""
    h = report.blocks["H"]
    note = look.p(
        look.t("What the lender states of the time before anchoring. Nothing here was checked by technical means."),
        "soft",
    )
    made: list[Flowable] = [*heading(look, "H", look.t("Provenance (Online Litigation Rules, article 18)"), note)]
    same: dict[tuple[str, ...], list[int]] = {}
    for row in h["records"]:
        same.setdefault(tuple(row[name] for name in PROVENANCE), []).append(row["seq"])
    for stated, seqs in same.items():
        rows = [(look.t("Records"), seqs_text(seqs))]
        rows += [
            (look.words.provenance(name), value or look.t("nothing stated"))
            for name, value in zip(PROVENANCE, stated, strict=True)
        ]
        made += [facts(look, rows), space(2)]
    if h["not_shown"]:
        made.append(
            look.p(look.t("Of records not shown nothing is known: {seqs}", seqs=seqs_text(h["not_shown"])), "soft")
        )
    return made


def platform(look: Look, report: Report) -> list[Flowable]:
    """I: the operators' statements; every heading is there when nothing is stated, too."""
    statements = report.blocks["I"]["statements"]
    title = look.t("Platform (Online Litigation Rules, article 17)")
    if not statements:
        said = look.p(
            look.t("No statement of a platform's operator is shown. Of each heading nothing is known:"), "soft"
        )
        return [*heading(look, "I", title, said), facts(look, _platform_rows(look, {}))]
    made: list[Flowable] = [*heading(look, "I", title, None)]
    for one in statements:
        made += [facts(look, [*_which(look, one), *_platform_rows(look, one)]), space(2)]
    return made


def _which(look: Look, one: Block) -> list[tuple[str, str]]:
    later = look.t("after the times that it claims to cover") if one["stated_later"] == "yes" else ""
    return [
        (look.t("Ledger"), one["ledger"]),
        (look.t("Statement"), look.t("version {number}", number=one["version"]) + f", {one['party']}, {one['digest']}"),
        (look.t("Valid from"), look.words.time(one["valid_from_ms"])),
        (look.t("Published"), ", ".join(part for part in (look.words.time(one["published_ms"]), later) if part)),
    ]


def _platform_rows(look: Look, one: Block) -> list[tuple[str, str]]:
    def listed(name: str) -> str:
        return "; ".join(one.get(name, ()))

    return [
        (look.t("Operator"), one.get("operator", "")),
        (look.t("Relation to the parties"), one.get("relation", "")),
        (look.t("Filings"), listed("filings")),
        (look.t("Certificates"), listed("certificates")),
        (look.t("Graded protection level"), one.get("protection_level", "")),
        (look.t("Cryptography assessment"), one.get("cryptography", "")),
        (look.t("Node operators"), listed("nodes")),
        (look.t("Algorithms"), listed("algorithms")),
        (look.t("Software"), listed("software")),
        (look.t("Contact"), one.get("contact", "")),
    ]


def verification(look: Look, report: Report) -> list[Flowable]:
    """J: steps, counts, limits."""
    j = report.blocks["J"]
    rows: Sequence[Sequence[str]] = [
        (
            str(step["number"]),
            look.words.step(step["name"]),
            look.words.result(step["result"]),
            look.words.said(step["detail"]),
        )
        for step in j["steps"]
    ]
    counts = ", ".join(
        f"{look.words.verdict(finding)} {j['counts'][finding.value]}"
        for finding in Finding
        if j["counts"][finding.value]
    )
    about = facts(
        look,
        [
            (look.t("Records by verdict"), counts),
            (look.t("Ledger proofs"), ", ".join(j["proof_kinds"])),
            (look.t("Trust roots"), look.t("version {number}", number=j["trust_version"])),
        ],
    )
    head = [look.t("Step"), look.t("What"), look.t("Result"), look.t("Detail")]
    return [
        *heading(look, "J", look.t("How this was checked"), about),
        space(2),
        grid(look, head, rows, (1.3, 4.5, 2.2, 12)),
        space(2),
        look.p(look.t("What this does not prove"), "heading"),
        *(look.p(f"– {look.words.said(text)}") for text in j["does_not_prove"]),
    ]


def _signed(look: Look, what: str) -> str:
    names = {
        "bundle": look.t("evidence bundle"),
        "grant": look.t("grant"),
        "request": look.t("request"),
        "disclosure": look.t("list of records"),
        "checkpoints": look.t("checkpoints"),
        "records": look.t("records"),
    }
    return names.get(what, what)

"""The table `[report]` of a court: what its deposit reports are sealed with and look like (docs/spec/report.md)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay.config.strict import Table

LICENCE_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportConfig:
    """`certificate`: PEM, the sealer's first and what issued it behind; `key`: its private key in PEM; `authority`: PEM of those that
    may issue such certificates, None: the certificate is pinned by the court's seal key alone.
    """

    certificate: Path
    key: Path
    authority: Path | None
    licence: str
    """Licence or filing number for people; empty when there is none."""
    font: Path | None
    """A TrueType file; None: the first that is found."""
    profiles: Path | None
    """The court's own report profiles; None: the package's."""


def read_report(table: Table) -> ReportConfig:
    """Raises `Malformed` naming file and key."""
    config = ReportConfig(
        certificate=table.file("certificate"),
        key=table.private_file("key"),
        authority=table.file("authority") if table.has("authority") else None,
        licence=_licence(table) if table.has("licence") else "",
        font=table.file("font") if table.has("font") else None,
        profiles=table.file("profiles") if table.has("profiles") else None,
    )
    table.done()
    return config


def _licence(table: Table) -> str:
    text = table.text("licence")
    if len(text) > LICENCE_CHARS_MAX or not text.isprintable():
        raise table.refuse("licence", f"must be at most {LICENCE_CHARS_MAX} printable characters")
    return text

"""What a deposit report is made from beside the dossier: who issues it, for what order, and the bundle it speaks of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """The certificate that seals a report; `sha256` in hex over its DER bytes, times in ms since 1970 UTC."""

    subject: str
    issuer: str
    serial: str
    sha256: str
    not_before_ms: int
    not_after_ms: int


NO_CERTIFICATE = CertificateFacts(subject="", issuer="", serial="", sha256="", not_before_ms=0, not_after_ms=0)
"""An unsealed draft's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """`identity` is a court's, empty on a draft by somebody else; `name` and `licence` are for people, empty when not given."""

    identity: str
    name: str
    licence: str
    certificate: CertificateFacts = NO_CERTIFICATE


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFacts:
    """The evidence bundle as a file."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOrder:
    """One report: `number`, `code`, `url` and `supersedes` are empty on a draft. `checked_ms`: when the bundle was verified."""

    number: str
    code: str
    url: str
    supersedes: str
    """The number of the report it replaces."""
    issued_ms: int
    checked_ms: int
    language: str
    requested_by: str
    """An identity; empty when not known."""
    verifier: str
    """Version of the program that verified."""

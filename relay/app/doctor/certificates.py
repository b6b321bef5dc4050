"""Checks of certificates, authorities, revocation lists and trust roots: whose they are, and until when."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509

from relay.app.doctor.files import PublicKeys
from relay.app.doctor.findings import Findings
from relay.app.doctor.subject import OwnKey, Subject
from relay.app.trust import check_used, read_trust
from relay.core.errors import Malformed, RelayError
from relay.core.times import format_utc
from relay.core.trust import TrustRoots
from relay.transport.certificates import check_identity, why_ended, why_not_yet, why_soon
from relay.transport.revocation import issued_by, parse_list


def check_tls(subject: Subject, findings: Findings, now: datetime.datetime) -> None:
    """Our certificate and key, the authorities, the lists."""
    tls = subject.tls
    try:
        if subject.identity:
            check_identity(tls, subject.identity)
        ca, certificate, _ = tls.read()
        authorities, chain = x509.load_pem_x509_certificates(ca), x509.load_pem_x509_certificates(certificate)
    except (RelayError, OSError, ValueError) as error:
        is_access = isinstance(error, Malformed) and error.concern == "access"
        findings.refused("permissions" if is_access else "tls", tls.certificate, error)
        return
    _period(chain[0], tls.certificate, findings, now, "renew it, and put it there; a start reads it")
    if not any(issued_by(chain[-1], authority) for authority in authorities):
        findings.problem("tls", tls.certificate, f"is issued by no authority of {tls.ca}; peers will refuse it")
    for authority in authorities:
        name = authority.subject.rfc4514_string()[:60]
        _period(authority, f"{tls.ca} {name}", findings, now, "peers under it are refused then")
    for domain, path in tls.crl.items():
        _list(path, domain, authorities, findings, now)


def _period(
    certificate: x509.Certificate, where: object, findings: Findings, now: datetime.datetime, then: str
) -> None:
    end = certificate.not_valid_after_utc
    if early := why_not_yet(certificate, now):
        findings.problem("clock", where, early)
    elif ended := why_ended(end, now):
        findings.problem("tls", where, f"{ended}; {then}")
    elif soon := why_soon(certificate.not_valid_before_utc, end, now):
        findings.warning("tls", where, f"{soon}; {then}")
    else:
        findings.ok("tls", where, f"valid until {end:%Y-%m-%d}")


def _list(
    path: Path, domain: str, authorities: list[x509.Certificate], findings: Findings, now: datetime.datetime
) -> None:
    try:
        found = parse_list(path.read_bytes(), authorities, now, what=str(path))
    except (RelayError, OSError) as error:
        findings.refused("revocation", path, error)
        return
    told = f"list {found.number} of {domain}, {len(found.serials)} revoked"
    if soon := why_soon(found.made, found.next_due, now):
        findings.warning(
            "revocation", path, f"{told}; {soon}: get the authority's new one; without it nobody is let in"
        )
    else:
        findings.ok("revocation", path, f"{told}, good until {found.next_due:%Y-%m-%d}")


def check_trust(subject: Subject, public: PublicKeys, findings: Findings, now: datetime.datetime) -> None:
    """The trust roots are current, no older than what was used, and pin the keys that are configured."""
    if subject.trust is None:
        return
    try:
        trust = read_trust(subject.trust)
        newer = check_used(trust, subject.trust, subject.data) if subject.data is not None else False
    except (RelayError, OSError) as error:
        findings.refused("trust", subject.trust, error)
        return
    _current(trust, subject.trust, newer, findings, now)
    for key in subject.keys:
        if key.use is not None and key.label in public:
            _pinned(trust, subject, key, public[key.label], findings, now)
    if "keys.sealing" in public:
        sealing = OwnKey("keys.sealing", subject.path, "sealing")
        _pinned(trust, subject, sealing, public["keys.sealing"], findings, now)
    _places(trust, subject, findings)


def _current(trust: TrustRoots, path: Path, newer: bool, findings: Findings, now: datetime.datetime) -> None:
    begin, end = (datetime.datetime.fromtimestamp(s, datetime.UTC) for s in (trust.issued_at_s, trust.expires_at_s))
    told = f"version {trust.version}{', not used here before' if newer else ''}"
    if stale := trust.why_stale(int(now.timestamp())):
        remedy = (
            "set the clock, or get the current file" if "future" in stale else "retrievals and disclosures stand still"
        )
        findings.problem("trust", path, f"{stale}; {remedy}")
    elif soon := why_soon(begin, end, now):
        findings.warning("trust", path, f"{told}; {soon}: ask whoever issues them for the next version")
    else:
        findings.ok("trust", path, f"{told}, good until {format_utc(trust.expires_at_s)}")


def _pinned(
    trust: TrustRoots, subject: Subject, key: OwnKey, public: bytes, findings: Findings, now: datetime.datetime
) -> None:
    at_ms = int(now.timestamp() * 1000)
    mine = [one for one in trust.pinned_keys if one.use == key.use and one.party == subject.identity]
    same = [one for one in mine if one.public_key == public and key.name in ("", one.name)]
    if not same:
        reason = f"is not what {subject.trust} pins as {key.use} key of {subject.identity}"
        findings.problem(
            "trust", key.label, f"{reason}; put the pinned key here, or pin this one: `courtrelay key rotate`"
        )
    elif all(one.why_not(at_ms) for one in same):
        findings.problem("trust", key.label, f"{same[0].why_not(at_ms)}; pin a new one: `courtrelay key rotate`")
    else:
        findings.ok("trust", key.label, f"pinned as {key.use} key")


def _places(trust: TrustRoots, subject: Subject, findings: Findings) -> None:
    """Ledgers and logs that are configured are those that are pinned."""
    pinned = {root.ledger for root in trust.ledgers}
    for ledger in subject.ledgers:
        name = str(ledger.config.settings.get("ledger", ""))
        if name not in pinned:
            findings.problem(
                "trust", ledger.table, f"{name or 'no ledger'} is not among the pinned ledgers of {subject.trust}"
            )
    for origin, ledger_id in subject.origins:
        log = next((one for one in trust.logs if one.origin == origin), None)
        if log is None:
            findings.problem("trust", origin, f"is no pinned log of {subject.trust}; the relay cannot serve it")
        elif log.ledger != ledger_id:
            findings.problem("trust", origin, f"is pinned on {log.ledger}, configured on {ledger_id}")

"""One role after another, each check of each: the order in which a person would look."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence
from pathlib import Path

from relay.app.doctor.certificates import check_tls, check_trust
from relay.app.doctor.files import check_data, check_keys
from relay.app.doctor.findings import Finding, Findings
from relay.app.doctor.network import check_broker, check_ledgers, check_peers, check_ports, check_shared
from relay.app.doctor.subject import ROLES, Subject, read_subject, role_of
from relay.core.errors import Malformed, RelayError
from relay.durable.errors import StorageFailed

CONFIG = "config.toml"


async def examine(home: Path, role: str, config: Path | None) -> list[Finding]:
    """Everything found, role by role; `role` empty: all that the home has, or what the file is of. Raises `Malformed` for neither."""
    found = await asyncio.gather(*(_role(name, path) for name, path in _files(home, role, config)))
    return [finding for one in found for finding in one]


def _files(home: Path, role: str, config: Path | None) -> Sequence[tuple[str, Path]]:
    if role and role not in (*ROLES, "adapter"):
        raise Malformed("doctor", "role", f"{role!a} is none of {', '.join(ROLES)}, adapter")
    if config is not None:
        return [(role or role_of(config), config)]
    if role:
        return [(role, home / role / CONFIG)]
    here = [(name, home / name / CONFIG) for name in ROLES if (home / name / CONFIG).is_file()]
    if not here:
        reason = f"has no role's folder with {CONFIG}; say --home HOME, or --config FILE for one role"
        raise Malformed(str(home), "", reason)
    return here


async def _role(role: str, path: Path) -> list[Finding]:
    findings = Findings(role)
    try:
        subject = await asyncio.to_thread(read_subject, role, path)
    except (RelayError, OSError) as error:
        findings.refused("configuration", path, error)
        return findings.found
    findings.ok("configuration", path, "every key is known, every value in its bounds")
    await asyncio.to_thread(_here, subject, findings)
    await asyncio.gather(
        check_peers(subject, findings),
        check_ledgers(subject, findings),
        check_shared(subject.shared, findings),
        check_broker(subject.broker, findings),
    )
    return findings.found


def _here(subject: Subject, findings: Findings) -> None:
    """On this machine alone."""
    now = datetime.datetime.now(datetime.UTC)
    public = check_keys(subject, findings)
    check_tls(subject, findings, now)
    check_trust(subject, public, findings, now)
    try:
        running = check_data(subject, findings)
    except (OSError, StorageFailed) as error:
        findings.refused("data", subject.data, error)
        running = None
    check_ports(subject, running, findings)

"""The verbs `courtrelay statement …`: make, publish and show a platform's statement of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relay.app.desk import open_desk
from relay.app.runtime import SystemClock
from relay.app.trust import read_trust
from relay.core.errors import Malformed
from relay.core.jose import verify_jws
from relay.core.limits import JWS_BYTES_MAX
from relay.core.statement import PlatformStatement, make_statement, parse_statement, read_template, shown
from relay.core.verify_statement import check_signer
from relay.setup.signers import open_signer, parse_key_reference
from relay.wire.desks import CourtDeskClient


def make(template: Path, key: str, out: Path) -> dict[str, Any]:
    """Sign a template; the result is written to a file that must not exist. Raises `Malformed` naming file and member."""
    draft = read_template(_read(template), str(template))
    signer = open_signer(parse_key_reference(key, Path.cwd()))
    now_s = SystemClock().now_ms() // 1000
    token = make_statement(draft, iat=now_s, public_key=signer.public_key, sign=signer.sign)
    try:
        with out.open("x") as file:
            file.write(token + "\n")
    except OSError as error:
        raise Malformed(str(out), "", f"cannot be written: {error.strerror}") from None
    return shown(parse_statement(token))


async def publish(home: Path, file: Path) -> dict[str, Any]:
    """Hand a signed statement to the court's desk."""
    statement = _parse(file)
    async with open_desk(home, "court-desk") as (channel, _):
        reply = await CourtDeskClient(channel).publish_statement(statement.jws.token.encode("ascii"))
    return {"ledger": reply.ledger, "version": reply.version, "digest": reply.digest.hex()}


def show(file: Path, trust: Path | None) -> dict[str, Any]:
    """What a statement says, and with trust roots whether a pinned key signed it. Raises `Unverified` when none did."""
    statement = _parse(file)
    said = "was not checked: give the trust roots with --trust"
    if trust is not None:
        key = check_signer(statement, read_trust(trust), statement.iat * 1000)
        verify_jws(statement.jws, key.public_key)
        said = f"holds: {key.name} of {key.party}"
    return {**shown(statement), "signature": said}


def _parse(file: Path) -> PlatformStatement:
    try:
        return parse_statement(_read(file).removesuffix(b"\n"))
    except Malformed as error:
        raise error.within(str(file)) from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(JWS_BYTES_MAX + 2)
    except OSError as error:
        raise Malformed(str(path), "", f"cannot be read: {error.strerror}") from None

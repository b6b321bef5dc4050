"""What a certificate of ours says of itself: whose it is, and whether it is valid now, soon not any more, or not yet."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from relay.core.errors import Denied, Malformed
from relay.transport.credentials import TlsFiles
from relay.transport.peer import read_peer

SOON: Final = datetime.timedelta(days=30)
"""Before its end a certificate is worth a warning."""


def check_identity(tls: TlsFiles, identity: str) -> None:
    """Peers see the certificate; what the configuration says must be that. Raises `Malformed`, also for files that cannot be used."""
    place = str(tls.certificate)
    try:
        shown = str(read_peer(tls.read()[1]).identity)
    except Denied as error:
        reason = error.reason.removeprefix("the caller's certificate ")
        raise Malformed(place, "", f"{reason}; it needs the identity {identity}", concern="key") from None
    if shown != identity:
        reason = f"is the certificate of {shown}, configured is {identity}; correct the one or the other"
        raise Malformed(place, "", reason, concern="key")


def why_not_yet(certificate: x509.Certificate, now: datetime.datetime) -> str:
    """Why a certificate does not count yet: as a rule this machine's clock is behind. Empty when it has begun."""
    begin = certificate.not_valid_before_utc
    if now >= begin:
        return ""
    return (
        f"is valid only from {begin:%Y-%m-%dT%H:%M:%SZ} on, and the clock here says {now:%Y-%m-%dT%H:%M:%SZ}:"
        " the clock is behind, or the certificate was made with one ahead; set the clock (`timedatectl`)"
    )


def why_too_early(path: Path) -> str:
    """As `why_not_yet`, of a file and by the clock here. Raises OSError; what is no certificate others refuse."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        return ""
    why = why_not_yet(certificate, datetime.datetime.now(datetime.UTC))
    return f"{path} {why}" if why else ""


def why_ended(end: datetime.datetime, now: datetime.datetime) -> str:
    """Empty before the end."""
    return f"has expired at {end:%Y-%m-%dT%H:%M:%SZ}" if now >= end else ""


def why_soon(begin: datetime.datetime, end: datetime.datetime, now: datetime.datetime) -> str:
    """Empty until SOON before the end, or, of what lives shorter than that, until a third of its life is left."""
    if end - now > min(SOON, (end - begin) / 3):
        return ""
    days, hours = (end - now).days, (end - now).seconds // 3600
    left = f"{days} {'day' if days == 1 else 'days'}" if days else f"{hours} h"
    return f"expires in {left}, at {end:%Y-%m-%dT%H:%M:%SZ}"

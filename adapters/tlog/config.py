"""The settings of one log: which it is, where it is, who must have cosigned, and where this adapter keeps what it has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from adapters.tlog.proof import THRESHOLD_MIN
from relay.core.errors import Malformed
from relay.core.fields import IDENTIFIER
from relay.core.limits import NOTE_SIGNATURES_MAX, TRUST_VALIDATORS_MAX
from relay.core.note import COSIGNATURE_V1, ED25519, VerifierKey

POLL_S: Final = 5.0
POLL_S_MIN: Final = 0.02
POLL_S_MAX: Final = 3600.0
_KEYS: Final = ("ledger", "url", "origin", "log_key", "witnesses", "threshold", "data", "poll_s", "tls")
_OWN: Final = ("ca", "certificate", "key")
"""The role's own TLS files, which every ledger's settings have; used where `tls` says `own`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlogConfig:
    """`threshold` counts the log itself. `tls` None: the system's authorities; otherwise authority, certificate and key of our own."""

    ledger: str
    url: str
    log_key: VerifierKey
    witnesses: tuple[VerifierKey, ...]
    threshold: int
    data: Path
    poll_s: float
    tls: tuple[Path, Path, Path] | None

    @property
    def origin(self) -> str:
        """The log's origin, which is its key's name."""
        return self.log_key.name


def _refuse(key: str, reason: str) -> Malformed:
    return Malformed("configuration", f"ledger.{key}", reason)


def _text(config: Mapping[str, object], key: str) -> str:
    value = config.get(key)
    if not isinstance(value, str) or not value:
        raise _refuse(key, "must be given as a string")
    return value


def _vkey(text: str, key: str, algorithm: int) -> VerifierKey:
    try:
        read = VerifierKey.parse(text)
    except Malformed as error:
        raise _refuse(key, str(error)) from None
    if read.algorithm != algorithm:
        raise _refuse(key, f"{read.name} is a key of type {read.algorithm:02x}, must be {algorithm:02x}")
    return read


def _witnesses(config: Mapping[str, object], log_key: VerifierKey) -> tuple[VerifierKey, ...]:
    texts = config.get("witnesses")
    if not isinstance(texts, list) or not 0 < len(texts) <= TRUST_VALIDATORS_MAX:
        raise _refuse("witnesses", f"must be a list of 1 to {TRUST_VALIDATORS_MAX} verifier keys")
    keys = []
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise _refuse(f"witnesses[{i}]", "must be a string")
        keys.append(_vkey(text, f"witnesses[{i}]", COSIGNATURE_V1))
    if any(key.name == log_key.name for key in keys):
        raise _refuse("witnesses", "a witness cannot have the log's name")
    if len({key.public_key for key in (log_key, *keys)}) != 1 + len(keys):
        raise _refuse("witnesses", "every witness must have a key of its own, which is not the log's")
    return tuple(keys)


def _threshold(config: Mapping[str, object], names: int) -> int:
    value = config.get("threshold")
    high = min(1 + names, NOTE_SIGNATURES_MAX)
    if not isinstance(value, int) or isinstance(value, bool) or not THRESHOLD_MIN <= value <= high:
        raise _refuse("threshold", f"must be a whole number from {THRESHOLD_MIN} to {high}: it counts the log itself")
    return value


def _poll_s(config: Mapping[str, object]) -> float:
    value = config.get("poll_s", POLL_S)
    if not isinstance(value, int | float) or isinstance(value, bool) or not POLL_S_MIN <= value <= POLL_S_MAX:
        raise _refuse("poll_s", f"must be seconds from {POLL_S_MIN} to {POLL_S_MAX}")
    return float(value)


def _url(config: Mapping[str, object]) -> str:
    """`http(s)://host/prefix`, `file:///folder` or an absolute path; without a slash at its end."""
    url = _text(config, "url")
    if url.startswith("/"):
        return url
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) if parts.scheme in ("http", "https") else parts.scheme == "file"
        _ = parts.port
    except ValueError:
        usable = False
    if not usable or not url.isascii() or parts.username is not None or parts.query or parts.fragment:
        raise _refuse("url", "must be http://, https:// or a folder's absolute path, without user, query or fragment")
    if parts.scheme == "file":
        if parts.netloc or not parts.path.startswith("/"):
            raise _refuse("url", "must be file:///folder")
        return parts.path
    return url.rstrip("/")


def _tls(config: Mapping[str, object]) -> tuple[Path, Path, Path] | None:
    kind = config.get("tls", "system")
    if kind == "system":
        return None
    if kind != "own":
        raise _refuse("tls", "must be system or own")
    ca, certificate, key = (Path(_text(config, name)) for name in _OWN)
    return ca, certificate, key


def read_config(config: Mapping[str, object]) -> TlogConfig:
    """Raises `Malformed` naming the key."""
    unknown = sorted(set(config) - set(_KEYS) - set(_OWN) - {"family"})
    if unknown:
        raise _refuse(unknown[0], f"is unknown; known are {', '.join(_KEYS)}")
    ledger = _text(config, "ledger")
    if IDENTIFIER.fullmatch(ledger) is None:
        raise _refuse("ledger", "must be visible ASCII without spaces")
    log_key = _vkey(_text(config, "log_key"), "log_key", ED25519)
    if _text(config, "origin") != log_key.name:
        raise _refuse("origin", f"must be the name of the log's key, {log_key.name}")
    witnesses = _witnesses(config, log_key)
    data = Path(_text(config, "data"))
    if not data.is_absolute():
        raise _refuse("data", "must be an absolute path of a folder")
    return TlogConfig(
        ledger=ledger,
        url=_url(config),
        log_key=log_key,
        witnesses=witnesses,
        threshold=_threshold(config, len({key.name for key in witnesses})),
        data=data,
        poll_s=_poll_s(config),
        tls=_tls(config),
    )

"""What a grant is asked to open, and what it therefore says: a profile, whole kinds, or single personal members, written out in full."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import Final

from relay.core.canonical import dumps
from relay.core.errors import Malformed
from relay.core.grants import EVERY_ORDINARY_KIND
from relay.core.scope import MEDIATION_PRIVILEGED, PURPOSE_CLASSES, PurposeClass, Scope, members_scope
from relay.ports.common import RecordCatalogue

_WHAT: Final = "grant"
_COMMAND_DOMAIN: Final = b"courtrelay/grant-command/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantCommand:
    """What a lender's clerk asks for. `dossiers` are ids or the lender's own references; times in seconds since 1970."""

    court: str
    case: str
    dossiers: tuple[str, ...]
    kinds: tuple[str, ...]
    mode: str
    purpose: str
    not_before_s: int
    expires_s: int
    uses: int
    profile: str = ""
    """Then `kinds` and `members` are empty."""
    members: tuple[str, ...] = ()
    """`KIND.MEMBER`: of such a kind the record opens with these personal members, and no payloads."""
    purpose_class: str = "trial"
    request_id: bytes = b""
    """Empty, or 32 bytes chosen by the asker: the same again gives the same grant."""

    @property
    def digest(self) -> bytes:
        """32 bytes over all that is asked for."""
        asked = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "request_id"}
        lists = {name: list(value) if isinstance(value, tuple) else value for name, value in asked.items()}
        return hashlib.sha256(_COMMAND_DOMAIN + dumps(lists)).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What goes into the grant."""

    kinds: tuple[str, ...]
    scope: Scope | None
    purpose_class: PurposeClass


def open_scope(catalogue: RecordCatalogue, command: GrantCommand) -> Opened:
    """Resolve a command. Raises `Malformed` for unknown names, for a mix, and for mediation confidences in a grant for a trial."""
    purpose_class = next((known for known in PURPOSE_CLASSES if known == command.purpose_class), None)
    if purpose_class is None:
        raise Malformed(_WHAT, "purpose_class", f"must be {' or '.join(PURPOSE_CLASSES)}")
    if command.profile:
        if command.kinds or command.members:
            raise Malformed(_WHAT, "profile", "a profile says itself what opens: give it without kinds and members")
        profile = catalogue.profile(command.profile)
        if purpose_class not in ("trial", profile.purpose_class):
            raise Malformed(_WHAT, "purpose_class", f"the profile {profile.name} is for {profile.purpose_class}")
        opened = Opened(kinds=profile.kinds, scope=profile.scope(), purpose_class=profile.purpose_class)
    else:
        opened = _chosen(catalogue, command, purpose_class)
    for kind in opened.kinds:
        privileged = kind != EVERY_ORDINARY_KIND and catalogue.kind(kind, 1).confidentiality == MEDIATION_PRIVILEGED
        if privileged and opened.purpose_class != "mediation":
            reason = f"{kind} was said in mediation: it opens only by a grant of purpose class mediation"
            raise Malformed(_WHAT, "kinds", reason)
    return opened


def _chosen(catalogue: RecordCatalogue, command: GrantCommand, purpose_class: PurposeClass) -> Opened:
    for kind in command.kinds:
        if kind != EVERY_ORDINARY_KIND:
            catalogue.kind(kind, 1)
    if not command.kinds and not command.members:
        raise Malformed(_WHAT, "kinds", "opens nothing: give a profile, kinds or single members")
    if not command.members:
        return Opened(kinds=command.kinds, scope=None, purpose_class=purpose_class)
    if EVERY_ORDINARY_KIND in command.kinds:
        raise Malformed(_WHAT, "members", "`*` opens every kind whole; name the kinds beside single members")
    named = {choice.partition(".")[0] for choice in command.members}
    kinds = tuple(sorted({*command.kinds, *named}))
    scope = members_scope(command.members, command.kinds, {kind: catalogue.personal(kind) for kind in kinds})
    return Opened(kinds=kinds, scope=scope, purpose_class=purpose_class)

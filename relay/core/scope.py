"""Scope of a grant: which personal members and which kinds' payloads it opens, written out, so that no profile file is needed later.

A grant without a scope opens the kinds it names whole. With one, only what the scope names opens: deny by default.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from relay.core.canonical import Fields, dumps
from relay.core.errors import Malformed
from relay.core.fields import TOKEN
from relay.core.limits import DISCLOSURES_PER_RECORD_MAX, GRANT_KINDS_MAX

PurposeClass = Literal["trial", "mediation"]
"""What a disclosure may be used for. Mediation confidences open for mediation alone (DOMAIN: T27; Online Mediation Rules)."""
PURPOSE_CLASSES: Final[tuple[PurposeClass, ...]] = get_args(PurposeClass)
MEDIATION_PRIVILEGED: Final = "mediation_privileged"
"""The confidentiality class of what is said in mediation to settle."""
_PROFILE_DOMAIN: Final = b"courtrelay/profile/v1"
_NAME: Final = "a lower-case name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """`members[kind]` are the personal members that open; a kind that is not there opens none. `profile` is empty when none was used."""

    members: Mapping[str, tuple[str, ...]]
    payloads: tuple[str, ...]
    """Kinds whose payloads open."""
    profile: str = ""
    profile_sha256: str = ""
    """Digest in hex of the profile that the scope was made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A named choice of what a grant opens. `withheld` are kinds that it names in order to leave them out."""

    name: str
    purpose_class: PurposeClass
    members: Mapping[str, tuple[str, ...]]
    """Every kind that opens, with its personal members that open."""
    payloads: tuple[str, ...]
    withheld: tuple[str, ...]
    sha256: str

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds that open, sorted."""
        return tuple(sorted(self.members))

    def scope(self) -> Scope:
        """What goes into a grant."""
        members = {kind: names for kind, names in self.members.items() if names}
        return Scope(members=members, payloads=self.payloads, profile=self.name, profile_sha256=self.sha256)


def parse_profile(name: str, value: object) -> Profile:
    """One profile of a profiles file: `purpose_class`, `kinds` (kind → `withheld`, or `members` and `payloads`). Raises `Malformed`."""
    what = f"profile {name[:64]}"
    fields = Fields(value, what=what)
    purpose_class = fields.literal("purpose_class", *PURPOSE_CLASSES)
    kinds = fields.nested("kinds")
    fields.done()
    members: dict[str, tuple[str, ...]] = {}
    payloads: list[str] = []
    withheld: list[str] = []
    for kind in kinds.members(count_max=GRANT_KINDS_MAX):
        one = kinds.nested(kind)
        if one.has("withheld"):
            one.string("withheld")
            withheld.append(kind)
        else:
            found = one.array("members", count_max=DISCLOSURES_PER_RECORD_MAX, empty=True)
            members[kind] = tuple(sorted(str(member) for member in found))
            if one.literal("payloads", "open", "withheld") == "open":
                payloads.append(kind)
        one.done()
    return Profile(
        name=name,
        purpose_class=purpose_class,
        members=members,
        payloads=tuple(payloads),
        withheld=tuple(withheld),
        sha256=hashlib.sha256(_PROFILE_DOMAIN + dumps({"name": name, "profile": value})).hexdigest(),
    )


def scope_claims(scope: Scope) -> dict[str, object]:
    """The claim `scope` of a grant."""
    claims: dict[str, object] = {
        "members": {kind: sorted(set(names)) for kind, names in scope.members.items() if names},
        "payloads": sorted(set(scope.payloads)),
    }
    if scope.profile:
        claims |= {"profile": scope.profile, "profile_sha256": scope.profile_sha256}
    return claims


def read_scope(fields: Fields, kinds: Collection[str]) -> Scope:
    """The claim `scope`; every kind in it is one the grant opens by name. Raises `Malformed`."""
    named = fields.nested("members")
    members = {
        kind: named.names(kind, TOKEN, count_max=DISCLOSURES_PER_RECORD_MAX, meant=_NAME)
        for kind in named.members(count_max=GRANT_KINDS_MAX)
    }
    payloads: tuple[str, ...] = ()
    if fields.array("payloads", count_max=GRANT_KINDS_MAX, empty=True):
        payloads = fields.names("payloads", TOKEN, count_max=GRANT_KINDS_MAX, meant="a record kind")
    profile = fields.token("profile") if fields.has("profile") else ""
    digest = fields.digest("profile_sha256") if profile else ""
    fields.done()
    for kind in (*members, *payloads):
        if kind not in kinds:
            raise fields.refuse("members", f"opens members or payloads of {kind}, which the grant's kinds do not name")
    return Scope(members=members, payloads=payloads, profile=profile, profile_sha256=digest)


def members_scope(choices: Collection[str], whole: Collection[str], personal: Mapping[str, Collection[str]]) -> Scope:
    """A scope from `KIND.MEMBER` choices and kinds that open whole; `personal` are the personal members by kind. Raises `Malformed`."""
    members = {kind: tuple(sorted(personal[kind])) for kind in whole}
    for choice in choices:
        kind, _, member = choice.partition(".")
        if member not in personal.get(kind, ()):
            known = ", ".join(sorted(personal.get(kind, ()))) or "none"
            raise Malformed(
                "grant", "fields", f"{choice[:128]!a} is no personal member of its kind; these are: {known}"
            )
        if kind not in whole:
            members[kind] = tuple(sorted({*members.get(kind, ()), member}))
    return Scope(members=members, payloads=tuple(sorted(whole)))

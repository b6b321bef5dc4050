"""Invitations of parties, for the court's clerks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from starlette.responses import Response

from relay.core.invitation import NAME_CHARS_MAX, NUMBER_CHARS_MAX
from relay.ports.parties import Invitation
from relay.services.court.parties import DAYS_DEFAULT, DAYS_MAX, LISTED_MAX, Parties
from relay.web.api.answers import answer, nothing
from relay.web.api.forms import (
    CASE,
    DOSSIER_ID,
    FREE,
    TIME_MS,
    Schema,
    hexadecimal,
    listed,
    members,
    one_of,
    ref,
    text,
    whole,
)
from relay.web.api.table import Answer, Asked, Body, Param, Route

INVITATION_ID: Final = hexadecimal(16, "An invitation's id; also the party's name in the custody log.")
SCHEMAS: Final[Mapping[str, Schema]] = {
    "NewInvitation": members(
        {
            "case": CASE,
            "dossier": DOSSIER_ID,
            "name": text(NAME_CHARS_MAX, "The person's name. It is kept as a salted scrypt digest alone."),
            "id_number": {
                "type": "string",
                "pattern": f"^[0-9A-Z]{{4,{min(NUMBER_CHARS_MAX, 32)}}}$",
                "description": "The person's identity number, kept the same way. A wrong check digit is refused (GB 11643).",
            },
        },
        {"days": whole(1, DAYS_MAX, f"How long the link lets in; {DAYS_DEFAULT} when it is not given.")},
    ),
    "MadeInvitation": members(
        {
            "invitation": INVITATION_ID,
            "link": {
                "type": "string",
                "description": "For the person, together with nothing else. It is told this once.",
            },
        }
    ),
    "Invitation": members(
        {
            "invitation": INVITATION_ID,
            "case": FREE,
            "dossier": DOSSIER_ID,
            "state": one_of("open", "expired", "revoked", "locked"),
            "invited_by": FREE,
            "made_ms": TIME_MS,
            "expires_ms": TIME_MS,
            "revoked_ms": TIME_MS,
            "entered_ms": TIME_MS,
            "wrong_tries": whole(0, 5),
        }
    ),
    "Invitations": members({"invitations": listed(ref("Invitation"), LISTED_MAX)}),
}


def party_routes(parties: Parties, entry: str, now_ms: Callable[[], int]) -> list[Route]:
    """Rows of the table. `entry`: the address of the entry page, to which a link's secret is added."""

    async def invite(asked: Asked) -> Response:
        body = asked.body
        made, secret = await parties.invite(
            body["case"],
            body["dossier"],
            body["name"],
            body["id_number"],
            body.get("days", DAYS_DEFAULT),
            asked.by,
        )
        return answer({"invitation": made, "link": f"{entry}{secret}"}, 201)

    async def invitations(asked: Asked) -> Response:
        found = await parties.invitations(asked.query.get("case", ""), asked.query.get("dossier", ""))
        return answer({"invitations": [_shown(one, now_ms()) for one in found]})

    async def revoke(asked: Asked) -> Response:
        await parties.revoke(asked.path["invitation"], asked.by)
        return nothing()

    return [
        Route(
            method="POST",
            path="/api/v1/invitations",
            name="invite",
            tag="parties",
            says="Invite a person to one dossier of one case",
            roles=("clerk",),
            body=Body(schema="NewInvitation"),
            answers=(Answer(status=201, says="The link, told this once.", schema="MadeInvitation"),),
            handle=invite,
            problems=("unusable", "not-found", "conflict"),
        ),
        Route(
            method="GET",
            path="/api/v1/invitations",
            name="listInvitations",
            tag="parties",
            says=f"The newest invitations, at most {LISTED_MAX}",
            roles=("clerk", "auditor"),
            params=(
                Param(name="case", place="query", schema=CASE, says="Of this case."),
                Param(name="dossier", place="query", schema=DOSSIER_ID, says="To this dossier."),
            ),
            answers=(Answer(status=200, says="The newest first.", schema="Invitations"),),
            handle=invitations,
        ),
        Route(
            method="POST",
            path="/api/v1/invitations/{invitation}/revoke",
            name="revokeInvitation",
            tag="parties",
            says="End an invitation, and every session that came of it",
            roles=("clerk",),
            params=(Param(name="invitation", place="path", schema=INVITATION_ID, says="Which one."),),
            answers=(Answer(status=204, says="It lets nobody in any more.", media_types=()),),
            handle=revoke,
        ),
    ]


def _shown(one: Invitation, now_ms: int) -> dict[str, object]:
    return {
        "invitation": one.id,
        "case": one.case,
        "dossier": one.dossier,
        "state": one.state(now_ms),
        "invited_by": one.by,
        "made_ms": one.made_ms,
        "expires_ms": one.expires_ms,
        "revoked_ms": one.revoked_ms,
        "entered_ms": one.entered_ms,
        "wrong_tries": one.tries,
    }

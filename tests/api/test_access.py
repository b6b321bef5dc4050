"""Who may call what, for every operation and role; what is not there and what is not theirs look alike; every access is logged."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from relay.core.custody import CustodyEvent, parse_event
from relay.ports.custody import CustodyFilter
from relay.store.custody_rows import StoredCustodyRows
from relay.web.site import PERSON_ROLES
from tests.api.caller import Call, Caller, calls
from tests.api.gateway import Gateway
from tests.support.frozen import settle

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTHING = "0" * 32


async def every_call(gateway: Gateway, nth: int = 0) -> list[Call]:
    bundle = gateway.known["path.bundle"][0]
    with await gateway.office.way.court_store.open_bundle(bundle) as file:
        return calls(gateway, file.read(), nth)


async def events(gateway: Gateway) -> list[CustodyEvent]:
    rows = StoredCustodyRows.of(gateway.office.way.court_store)
    return [parse_event(event) for _, event in await rows.between(0, await rows.end(), CustodyFilter())]


async def test_every_operation_has_its_call(gateway: Gateway) -> None:
    assert {one.operation for one in await every_call(gateway)} == {route.name for route in gateway.routes}


async def test_every_operation_for_every_role_and_for_nobody(gateway: Gateway) -> None:
    roles = {route.name: set(route.roles) for route in gateway.routes}
    for call in await every_call(gateway):
        may = roles[call.operation]
        for role in (*PERSON_ROLES, "", "stranger"):
            caller = Caller(gateway.url, gateway.tokens.get(role, role))
            answer = await caller.send(call.method, call.path, call.body, call.headers)
            if not may or role in may:
                assert answer.status < 300 or (answer.status, call.operation) == (409, "answerObjection"), (
                    call,
                    role,
                    answer,
                )
            elif role in PERSON_ROLES:
                assert (answer.status, answer.problem) == (403, "role"), (call, role)
            else:
                assert (answer.status, answer.problem) == (401, "unauthenticated"), (call, role)
                assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_party_may_nothing(gateway: Gateway) -> None:
    """An invitation opens pages, never the interface."""
    assert not any("party" in route.roles for route in gateway.routes)


async def test_what_is_not_there_has_one_answer(gateway: Gateway, caller: Caller) -> None:
    """Another id of the right form, and one of no form at all."""
    hexes = re.compile(r"[0-9a-f]{32}")
    answers = set()
    for call in await every_call(gateway):
        for other in (NOTHING, "x"):
            path = hexes.sub(other, call.path)
            if call.operation in ("listObjections", "listInvitations") or path == call.path:
                continue
            answer = await caller.send(call.method, path, call.body, call.headers)
            answers.add((answer.status, answer.data))
    assert len(answers) == 1
    assert next(iter(answers))[0] == 404


async def test_every_access_is_in_the_custody_log_under_the_callers_name(gateway: Gateway, caller: Caller) -> None:
    me = "spiffe://courtrelay.example/person/all-1"
    for call in await every_call(gateway, 1):
        before = len(await events(gateway))
        answer = await caller.send(call.method, call.path, call.body, call.headers)
        assert answer.status < 300, (call, answer.data)
        if not call.event:
            assert len(await events(gateway)) == before, call
            continue

        # the lender learns the officer, and who spoke for them; whoever checks a report is nobody in particular
        mine = {
            "beginRetrieval": lambda one: one.detail == "judge 7 (all-1): hearing",
            "checkReport": lambda one: True,
        }.get(call.operation, lambda one: one.actor == me)

        async def logged(call: Call = call, before: int = before, mine: Callable[..., bool] = mine) -> bool:
            # the court's own events of the retrieval that another call began may stand between
            return any(one.action == call.event and mine(one) for one in (await events(gateway))[before:])

        await settle(logged, f"{call.operation} is logged as {call.event}")


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer a b", "bearer  x", "Bearer \u00e9"])
async def test_credentials_of_another_form_are_none(gateway: Gateway, header: str) -> None:
    answer = await Caller(gateway.url).get("/cases", {"Authorization": header.encode("latin-1").decode("latin-1")})
    assert (answer.status, answer.problem) == (401, "unauthenticated")


async def test_cookie_is_no_credential(gateway: Gateway) -> None:
    answer = await Caller(gateway.url).get("/cases", {"Cookie": f"session={gateway.tokens['all']}"})
    assert answer.status == 401

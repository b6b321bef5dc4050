"""The OpenAPI document: current, whole, and the one that is served."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, cast

import pytest

from relay.web.api.tables import SCHEMAS, Services, all_routes, openapi_bytes
from tests.api.caller import Caller
from tests.support.house import ROOT

DOCUMENT = ROOT / "docs/api/openapi.json"


def made() -> bytes:
    """Of the table alone: no handler is called."""
    nothing: dict[str, Any] = {one.name: cast(Any, None) for one in fields(Services)} | {
        "file_bytes_max": 1,
        "entry": "",
    }
    return openapi_bytes(all_routes(Services(**nothing)))


def test_committed_document_is_current() -> None:
    assert DOCUMENT.read_bytes() == made(), "run `python3 run.py api --document`"


def test_every_schema_is_used_and_every_reference_has_one() -> None:
    text = made().decode()
    used = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert used == {*SCHEMAS, "Problem"}


def test_operations_have_names_of_their_own_and_words() -> None:
    operations = [one for path in json.loads(made())["paths"].values() for one in path.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names)
    assert all(one["summary"] and one["responses"] for one in operations)
    assert all(one["security"] for one in operations if one["operationId"] != "openapi")


@pytest.mark.asyncio(loop_scope="module")
async def test_served_document_is_the_same(caller: Caller) -> None:
    answer = await caller.get("/openapi.json")
    served = json.loads(answer.data)
    assert served == json.loads(DOCUMENT.read_bytes())

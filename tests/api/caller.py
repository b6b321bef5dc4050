"""A court system that calls the interface, over real HTTP."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from tests.api.gateway import Gateway

PATIENCE_S = 60.0


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def problem(self) -> str:
        """The last part of the problem's type, empty for none."""
        if self.headers.get("content-type") != "application/problem+json":
            return ""
        value = self.json()
        assert value["status"] == self.status
        return str(value["type"]).rpartition("/")[2]


@dataclass
class Caller:
    """Sends exactly what it is told."""

    url: str
    token: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    async def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request; a dict goes as JSON."""
        own = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if isinstance(body, dict):
            body, own = json.dumps(body).encode(), {**own, "Content-Type": "application/json"}
        return await asyncio.to_thread(self._send, method, path, body, {**own, **self.headers, **(headers or {})})

    async def get(self, path: str, headers: Mapping[str, str] | None = None, **query: Any) -> Answer:
        return await self.send("GET", path + (f"?{urlencode(query)}" if query else ""), headers=headers)

    def _send(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=PATIENCE_S)
        try:
            connection.request(method, f"/api/v1{path}", body, dict(headers))
            response = connection.getresponse()
            data = response.read()
            assert b"Traceback" not in data
            return Answer(response.status, {n.lower(): v for n, v in response.getheaders()}, data)
        finally:
            connection.close()


@dataclass(frozen=True)
class Call:
    """A call that works, for one operation: `path` below /api/v1, and what the custody log then holds (empty: nothing new)."""

    operation: str
    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    event: str = ""


def calls(gateway: Gateway, bundle: bytes, nth: int) -> list[Call]:
    """One for every operation of the table, with things that exist; for each `nth` with others of what can be done once."""
    once = ("path.objection", "path.invitation")
    known = {name: values[nth if name in once else 0] for name, values in gateway.known.items()}
    case, dossier, own = quote(known["query.case"]), known["query.dossier"], known["path.bundle"]
    place = f"{case}&dossier={dossier}"
    digest, token = gateway.known["body.grant"]
    key = {"Idempotency-Key": f"{nth:016d}"}
    named = {"case": known["query.case"], "dossier": dossier}
    file = {"Content-Type": "application/octet-stream"}
    wanted = {"grant": digest, "dossier": dossier, "officer": "judge 7", "purpose": "hearing"}
    compared = {"algorithm": "sha256", "digest": "ab" * 32, "place": known["query.deposit_number"]}
    answered = {"outcome": "noted", "text": "so"}
    number = quote(known["query.deposit_number"])
    return [
        Call("listCases", "GET", "/cases"),
        Call("getCase", "GET", f"/case?number={case}"),
        Call("listGrants", "GET", f"/grants?case={case}"),
        Call("getJob", "GET", f"/jobs/{known['path.job']}"),
        Call("addGrant", "POST", "/grants", {"grant": token}, event="grant"),
        Call("beginRetrieval", "POST", "/retrievals", wanted, key, "request"),
        Call("fetchBundle", "GET", f"/bundles/{own}", event="fetch"),
        Call("getVerdict", "GET", f"/bundles/{own}/verdict", event="view"),
        Call("getView", "GET", f"/bundles/{own}/view", event="view"),
        Call("fetchPayload", "GET", f"/bundles/{own}/payloads/{known['path.seq']}/{known['path.name']}", event="view"),
        Call("verifyAgain", "POST", f"/bundles/{own}/verifications", event="verify"),
        Call("issueReport", "POST", f"/bundles/{own}/reports", {"language": "en", "profile": known["body.profile"]}, event="issue"),
        Call("reportsOfBundle", "GET", f"/bundles/{own}/reports"),
        Call("listReports", "GET", "/reports"),
        Call("getReport", "GET", f"/reports/{known['path.number']}"),
        Call("fetchReport", "GET", f"/reports/{known['path.number']}/pdf", event="fetch"),
        Call("fetchReportDocument", "GET", f"/reports/{known['path.number']}/document", event="fetch"),
        Call("checkReport", "POST", "/checks/report", b"{}", {"Content-Type": "application/json"}, "check"),
        Call("checkBundle", "POST", "/checks/bundle", bundle, {"Content-Type": "application/zip"}),
        Call("checkDepositNumber", "GET", f"/checks/deposit-number?deposit_number={number}"),
        Call("checkFile", "POST", f"/checks/file?place={number}", b"any", file, "check"),
        Call("checkDigest", "POST", "/checks/digest", compared, event="check"),
        Call("listObjections", "GET", f"/objections?case={place}"),
        Call("addObjection", "POST", "/objections", {**named, "ground": "other", "text": "why"}, event="object"),
        Call("answerObjection", "POST", f"/objections/{known['path.objection']}/answer", answered, event="answer"),
        Call("invite", "POST", "/invitations", {**named, "name": "A", "id_number": "X1234567"}, event="invite"),
        Call("listInvitations", "GET", f"/invitations?case={place}"),
        Call("revokeInvitation", "POST", f"/invitations/{known['path.invitation']}/revoke", event="invite"),
        Call("listCustody", "GET", "/custody?limit=5"),
        Call("openapi", "GET", "/openapi.json"),
    ]  # fmt: skip

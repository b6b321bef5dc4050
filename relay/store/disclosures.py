"""Disclosures that can be taken up again, as the custodian keeps them: sealed under the dossier's own data key, gone with the dossier."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay.core.base64strict import b64decode, b64encode
from relay.core.errors import Denied, NotFound
from relay.durable.database import Database
from relay.ports.custodian import DossierState, KeptDisclosure
from relay.store.at_rest import MasterKey, seal, unseal

_WHAT: Final = "kept disclosure"
_SECRET: Final = ("plan", "header", "content_key")


class DisclosureRows:
    """The part of relay.ports.custodian.CustodianStore that begins and resumes disclosures."""

    _database: Database
    _master: MasterKey

    async def _append_custody(self, event: bytes, also: Callable[[sqlite3.Connection], None] | None) -> int:
        raise NotImplementedError

    async def begin_disclosure(
        self,
        grant: bytes,
        uses: int,
        nonce: str,
        custody: bytes,
        dossier: DossierState,
        kept: KeptDisclosure | None = None,
        forget_before_ms: int = 0,
    ) -> int:
        """See the port. All conditions stand in the SQL."""

        def also(c: sqlite3.Connection) -> None:
            found = c.execute("SELECT count(*) FROM tombstone WHERE dossier = ?", (dossier.id,)).fetchone()[0]
            if found != dossier.erasures:
                raise Denied("records of the dossier were erased meanwhile")
            _spend_nonce(c, nonce)
            done = c.execute(
                "UPDATE grant_record SET uses_spent = uses_spent + 1"
                " WHERE digest = ? AND uses_spent < ? AND revoked_ms = 0",
                (grant, uses),
            )
            if done.rowcount != 1:
                raise Denied("all uses of the grant are spent, or it is revoked", "uses")
            c.execute("DELETE FROM disclosure WHERE begun_ms < ?", (forget_before_ms,))
            if kept is not None:
                sealed = seal(self._cipher(c, kept.dossier), _plain(kept), kept.request)
                c.execute(
                    "INSERT INTO disclosure VALUES (?, ?, ?, ?, ?)",
                    (kept.request, grant, kept.dossier, kept.begun_ms, sealed),
                )

        return await self._append_custody(custody, also)

    async def disclosure(self, request: bytes) -> KeptDisclosure | None:
        """See the port."""

        def read(c: sqlite3.Connection) -> tuple[AESGCM, tuple[bytes, str, int, bytes]] | None:
            row = c.execute(
                "SELECT grant_digest, dossier, begun_ms, sealed FROM disclosure WHERE request = ?", (request,)
            ).fetchone()
            return None if row is None else (self._cipher(c, row[1]), row)

        found = await self._database.read(read)
        if found is None:
            return None
        cipher, (grant, dossier, begun_ms, sealed) = found
        value = json.loads(unseal(cipher, sealed, request))
        plan, header, content_key = (b64decode(value[name], what=_WHAT, field=name) for name in _SECRET)
        return KeptDisclosure(
            request=request,
            grant=grant,
            dossier=dossier,
            case=value["case"],
            begun_ms=begun_ms,
            manifest=value["manifest"],
            plan=plan,
            header=header,
            content_key=content_key,
        )

    async def resume_disclosure(self, grant: bytes, nonce: str, custody: bytes, request: bytes) -> int:
        """See the port. An erasure takes the kept streams of its dossier away in the transaction in which it begins."""

        def also(c: sqlite3.Connection) -> None:
            if c.execute("SELECT 1 FROM disclosure WHERE request = ?", (request,)).fetchone() is None:
                raise Denied(
                    "what was begun is not kept any more: it was begun too long ago, or records were erased meanwhile"
                )
            _spend_nonce(c, nonce)
            if c.execute("SELECT 1 FROM grant_record WHERE digest = ? AND revoked_ms = 0", (grant,)).fetchone() is None:
                raise Denied("the grant is revoked", "grant")

        return await self._append_custody(custody, also)

    def _cipher(self, c: sqlite3.Connection, dossier: str) -> AESGCM:
        row = c.execute("SELECT sealed_keys FROM dossier WHERE id = ?", (dossier,)).fetchone()
        if row is None:
            raise NotFound("the dossier is not here any more")
        return AESGCM(self._master.unwrap(dossier, row[0]).data)


def _spend_nonce(c: sqlite3.Connection, nonce: str) -> None:
    if c.execute("INSERT INTO nonce VALUES (?) ON CONFLICT DO NOTHING", (nonce,)).rowcount != 1:
        raise Denied("the request's nonce was used before")


def _plain(kept: KeptDisclosure) -> bytes:
    secret = {name: b64encode(getattr(kept, name)) for name in _SECRET}
    return json.dumps({"case": kept.case, "manifest": kept.manifest, **secret}).encode()

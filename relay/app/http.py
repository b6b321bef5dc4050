"""The HTTP side of each role, off unless its configuration has `[http]`: which logs are served, and a court's witness."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from relay.app.runtime import SystemClock
from relay.config.http import HttpConfig, WitnessConfig
from relay.config.roles import Common, CourtConfig, CustodianConfig, RelayConfig
from relay.core.checkpoint import Checkpoint, checkpoint_text
from relay.core.errors import Malformed
from relay.core.note import Note, VerifierKey, format_note, sign_note
from relay.core.trust import TrustRoots
from relay.ports.common import Signer
from relay.ports.forwarding import RelayStore
from relay.ports.witness import ServedLog, TiledFiles
from relay.services.court.witness import Witness
from relay.setup.signers import open_signer
from relay.store.court import SqliteCourtStore
from relay.store.custodian import SqliteCustodianStore
from relay.store.witness import SqliteWitnessStore
from relay.wire.logs_http import LogSite, serving_http

log = logging.getLogger(__name__)


@asynccontextmanager
async def _serve(common: Common, http: HttpConfig, site: LogSite) -> AsyncIterator[None]:
    async with serving_http(site.handle, listen=http.listen, tls=common.tls if http.mutual else None) as port:
        scheme = "https" if http.mutual else "http"
        log.info("logs are served at %s://%s:%d", scheme, http.listen.rpartition(":")[0], port)
        yield


class SignedHead:
    """The newest head of a log of our own, signed again only when the log has grown."""

    def __init__(self, key: VerifierKey, signer: Signer, size: Callable[[], int], root: Callable[[int], bytes]) -> None:
        self._key = key
        self._signer = signer
        self._read_size = size
        self._root = root
        self._size = -1
        self._note: bytes | None = None

    async def newest(self) -> bytes | None:
        """None while the log is empty."""
        size = self._read_size()
        if size and size != self._size:
            root = await asyncio.to_thread(self._root, size)
            text = checkpoint_text(Checkpoint(origin=self._key.name, size=size, root=root))
            self._note = format_note(Note(text=text, signatures=(sign_note(text, self._key, self._signer.sign),)))
            self._size = size
        return self._note


def _of(files: TiledFiles) -> Callable[[], Awaitable[TiledFiles]]:
    async def give() -> TiledFiles:
        return files

    return give


async def open_relay_http(stack: AsyncExitStack, config: RelayConfig, store: RelayStore) -> None:
    """A relay serves the mirrors of its origins, each with the newest checkpoint that the court's ledger has confirmed."""
    if config.common.http is None:
        return

    def served(origin: str) -> ServedLog:
        async def newest() -> bytes | None:
            size = await store.last_confirmed(origin)
            return await store.cosigned(origin, size) if size else None

        async def files() -> TiledFiles:
            return (await store.log(origin)).files  # type: ignore[return-value]  # both stores' files have tiles

        return ServedLog(origin=origin, newest=newest, files=files)

    site = LogSite([served(one.origin) for one in config.origins])
    await stack.enter_async_context(_serve(config.common, config.common.http, site))


async def open_custodian_http(stack: AsyncExitStack, config: CustodianConfig, store: SqliteCustodianStore) -> None:
    """A custodian serves its evidence log as it signed it last, and its custody log if it has a key for that."""
    http = config.common.http
    if http is None:
        return

    async def newest() -> bytes | None:
        last = await store.last_checkpoint()
        return None if last is None else last.note

    logs = [ServedLog(origin=config.origin, newest=newest, files=_of(store.files))]
    if http.custody:
        if config.custody_key is None:
            raise Malformed(
                "configuration", "http.custody", "needs the key keys.custody, which signs the custody log's heads"
            )
        signer = open_signer(config.custody_key, "custody")
        key = VerifierKey.ed25519(config.custody_origin, signer.public_key)
        head = SignedHead(key, signer, lambda: store.custody_size, store.custody_files.root)
        logs.append(ServedLog(origin=config.custody_origin, newest=head.newest, files=_of(store.custody_files)))
    await stack.enter_async_context(_serve(config.common, http, LogSite(logs)))


async def open_court_http(
    stack: AsyncExitStack, config: CourtConfig, store: SqliteCourtStore, trust: TrustRoots
) -> None:
    """A court serves its mirror of every pinned log with its own cosignature, its custody log, and its witness."""
    http = config.common.http
    if http is None:
        return

    def served(origin: str) -> ServedLog:
        async def files() -> TiledFiles:
            return (await store.log(origin)).files

        return ServedLog(origin=origin, newest=lambda: store.newest_cosigned(origin), files=files)

    logs = [served(one.origin) for one in trust.logs]
    if http.custody:
        signer = open_signer(config.custody_key, "custody")
        own = await store.custody_log()
        key = VerifierKey.ed25519(config.custody_origin, signer.public_key)
        head = SignedHead(key, signer, lambda: own.size, own.files.root)
        logs.append(ServedLog(origin=config.custody_origin, newest=head.newest, files=_of(own.files)))
    witness = None if http.witness is None else await _witness(stack, config, http.witness, store, trust)
    await stack.enter_async_context(_serve(config.common, http, LogSite(logs, witness)))


async def _witness(
    stack: AsyncExitStack, config: CourtConfig, own: WitnessConfig, store: SqliteCourtStore, trust: TrustRoots
) -> Witness:
    signer, mirror = open_signer(own.key, "witness"), open_signer(config.witness_key)
    if own.name == config.witness_name or signer.public_key == mirror.public_key:
        reason = "name and key must be others than the mirror's: the two cosignatures say different things"
        raise Malformed("configuration", "http.witness", reason)
    memory = await SqliteWitnessStore.open(config.common.data / "witness")
    stack.push_async_callback(memory.close)
    mirrored = {one.origin for one in trust.logs}

    async def mirrored_root(origin: str, size: int) -> bytes | None:
        if origin not in mirrored:
            return None
        held = await store.log(origin)
        return await asyncio.to_thread(held.files.root, size) if 0 < size <= held.size else None

    key = VerifierKey.cosigner(own.name, signer.public_key)
    return Witness(memory, trust, key, signer, SystemClock(), mirrored_root)

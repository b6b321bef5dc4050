"""A lender's and a court's embedded ledger in this loop, over mutual TLS, and everything needed to write to them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.embedded.adapter import open_court, open_source
from adapters.embedded.proof import verify_quorum
from relay.app.initialise import CUSTODY, LENDER, ORIGIN, WITNESS, initialise
from relay.app.trust import read_trust
from relay.config.roles import read_court, read_custodian, read_relay
from relay.core.checkpoint import Checkpoint, checkpoint_text, cosign
from relay.core.grants import make_grant_statement
from relay.core.ledgerproof import LedgerProof, ProvenFact
from relay.core.merkle import MemoryTree, leaf_hash
from relay.core.note import Note, VerifierKey, format_note, sign_note
from relay.core.trust import LedgerRoot
from relay.ports.ledgers import Anchor, Submission
from relay.setup.keys import FileSigner, load_signing_key, make_signing_key
from tests.support.frozen import TestClock
from tests.support.way import start_ledger

NOW_MS = 1_800_000_000_000


class Bench:
    """Built by `open_bench`. `source` is the custodian's client, `court` the relay's, `gateway` the court's own."""

    source: Any
    court: Any
    gateway: Any

    def __init__(self, home: Path) -> None:
        self.home = home
        self.origin, self.custody_origin, self.lender = ORIGIN, CUSTODY, str(LENDER)
        trust = read_trust(home / "trust.json")
        self.lender_root, self.court_root = trust.ledgers
        self.stranger = make_signing_key(home / "stranger.pem")
        self._tree = MemoryTree([leaf_hash(bytes([n])) for n in range(20)])
        self._fork = MemoryTree([leaf_hash(bytes([n, 1])) for n in range(20)])
        self._tasks: list[asyncio.Task[None]] = []

    def key(self, name: str) -> FileSigner:
        role = "custodian" if name in ("record", "log", "grant") else "court"
        return load_signing_key(self.home / role / "keys" / f"{name}.pem")

    def checkpoint(self, size: int) -> Checkpoint:
        return Checkpoint(origin=self.origin, size=size, root=self._tree.root(size))

    def proven(self, proof: LedgerProof, root: LedgerRoot) -> ProvenFact:
        return verify_quorum(proof, root)

    def use_entries(self, entries: list[bytes]) -> None:
        """Checkpoints are of these entries from now on."""
        self._tree = MemoryTree([leaf_hash(entry) for entry in entries])

    def note(self, size: int) -> bytes:
        """The checkpoint as the log signs it."""
        log = self.key("log")
        text = checkpoint_text(self.checkpoint(size))
        signature = sign_note(text, VerifierKey.ed25519(self.origin, log.public_key), log.sign)
        return format_note(Note(text=text, signatures=(signature,)))

    def with_tx(self, anchor: Anchor, tx: bytes) -> Anchor:
        return dataclasses.replace(anchor, tx_id=tx)

    def replaced(self, submission: Submission, **changes: Any) -> Submission:
        return dataclasses.replace(submission, **changes)

    async def submission(
        self,
        size: int,
        *,
        old_size: int = 0,
        attempt: int = 1,
        fork: bool = False,
        cosigned: bool = True,
        log_key: FileSigner | None = None,
        witness: FileSigner | None = None,
        origin: str = "",
    ) -> Submission:
        """What a relay would send for the first `size` entries, or what a cheat would."""
        tree = self._fork if fork else self._tree
        checkpoint = Checkpoint(origin=origin or self.origin, size=size, root=tree.root(size))
        anchor = await self.source.anchor(checkpoint)
        text = checkpoint_text(checkpoint)
        log = log_key or self.key("log")
        signatures = [sign_note(text, VerifierKey.ed25519(checkpoint.origin, log.public_key), log.sign)]
        if cosigned:
            signer = witness or self.key("witness")
            signatures.append(
                cosign(text, VerifierKey.cosigner(WITNESS, signer.public_key), signer.sign, NOW_MS // 1000)
            )
        return Submission(
            checkpoint=format_note(Note(text=text, signatures=tuple(signatures))),
            old_size=old_size,
            consistency=tuple(tree.consistency_proof(old_size, size)) if old_size and old_size < size else (),
            anchor=await self.source.prove(anchor),
            attempt=attempt,
        )

    def statement(self, action: Any, digest: bytes, *, key: FileSigner | None = None, iss: str = "") -> bytes:
        signer = key or self.key("grant")
        return make_grant_statement(
            iss=iss or self.lender,
            action=action,
            grant=digest,
            exp=2_000_000_000 if action == "register" else None,
            iat=1_700_000_000,
            public_key=signer.public_key,
            sign=signer.sign,
        ).encode()

    def custody_note(self, size: int) -> bytes:
        signer = self.key("custody")
        text = checkpoint_text(Checkpoint(origin=CUSTODY, size=size, root=self._tree.root(size)))
        return format_note(
            Note(text=text, signatures=(sign_note(text, VerifierKey.ed25519(CUSTODY, signer.public_key), signer.sign),))
        )

    def custody_consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        return tuple(self._tree.consistency_proof(old, new))

    async def start(self) -> None:
        for role in ("lender-ledger", "court-ledger"):
            self._tasks.append(await start_ledger(self.home / role / "config.toml", TestClock(NOW_MS)))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def restart(self) -> None:
        """Both nodes end and come back on the same files."""
        await self.stop()
        await self.start()


@asynccontextmanager
async def open_bench(folder: Path, *, validators: int = 4, threshold: int = 3) -> AsyncIterator[Bench]:
    """Fresh ledgers with four validators, three of whom must sign, unless said otherwise."""
    home = initialise(folder / "home", base_port=0, validators=validators, threshold=threshold).home
    bench = Bench(home)
    await bench.start()
    bench.source = await open_source(read_custodian(home / "custodian/config.toml").ledger.settings)
    bench.court = await open_court(read_relay(home / "relay/config.toml").court_ledger.settings)
    bench.gateway = await open_court(read_court(home / "court/config.toml").court_ledger.settings)
    try:
        yield bench
    finally:
        await bench.gateway.close()
        await bench.source.close()
        await bench.court.close()
        await bench.stop()

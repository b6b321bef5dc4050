"""Platforms for tests: keys pinned for both ledgers of a home, statements in their names, and a bundle that holds some."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from relay.app.trust import read_trust
from relay.core.pinned import TrustedKey
from relay.core.statement import (
    PlatformFacts,
    PlatformNode,
    PlatformSoftware,
    StatementDraft,
    make_statement,
    parse_statement,
)
from relay.setup.keys import FileSigner, load_signing_key, make_signing_key
from tests.support.bundles import Made, make_home, noon_of
from tests.support.lines import small_dossier
from tests.support.way import Way, open_way

OPERATOR = "spiffe://courtrelay.example/operator/platform"
HOUR_MS = 3_600_000
FACTS = PlatformFacts(
    operator="某链科技有限公司",
    relation="none",
    filings=("京网信备 0000",),
    certificates=(),
    protection_level="三级",
    cryptography="",
    nodes=(PlatformNode(name="v1", operator="某公证处"),),
    algorithms=("Ed25519", "SHA-256"),
    software=(PlatformSoftware(name="courtrelay", version="0.1.0"),),
    contact="",
)


@dataclass(frozen=True)
class Platform:
    """One ledger's platform and its key."""

    ledger: str
    signer: FileSigner

    def state(
        self, version: int = 1, *, valid_from: int = 0, previous: str = "", ledger: str = "", iss: str = OPERATOR
    ) -> str:
        """A signed statement."""
        draft = StatementDraft(
            iss=iss,
            ledger=ledger or self.ledger,
            version=version,
            previous=previous,
            valid_from=valid_from,
            facts=FACTS,
        )
        return make_statement(draft, iat=1, public_key=self.signer.public_key, sign=self.signer.sign)

    def after(self, token: str, *, valid_from: int = 0) -> str:
        """The version after that one."""
        before = parse_statement(token)
        return self.state(before.draft.version + 1, valid_from=valid_from, previous=before.digest.hex())


def pin_platforms(home: Path) -> tuple[Platform, Platform]:
    """Keys for the lender's and the court's ledger, pinned in a home that has not been used yet."""
    file = home / "trust.json"
    trust = read_trust(file)
    platforms = []
    keys = list(trust.pinned_keys)
    for root in trust.ledgers:
        path = home / f"platform-{len(platforms)}.pem"
        make_signing_key(path)
        signer = load_signing_key(path)
        keys.append(
            TrustedKey(
                use="platform",
                party=OPERATOR,
                name=root.ledger,
                public_key=signer.public_key,
                valid_from_ms=keys[0].valid_from_ms,
                valid_to_ms=keys[0].valid_to_ms,
            )
        )
        platforms.append(Platform(root.ledger, signer))
    file.write_bytes(replace(trust, pinned_keys=tuple(keys)).to_json())
    lender, court = platforms
    return lender, court


async def published(way: Way, *tokens: str) -> None:
    """Taken in, and shown on the court's ledger."""
    for token in tokens:
        await way.statements.publish(token.encode(), OPERATOR)
    await way.custody.publish()
    assert await way.statements.show() == 0


async def bundle_of(home: Path, before: Sequence[str], after: Sequence[str], count: int = 1) -> bytes:
    """Some statements are published an hour before anything is anchored, others an hour after."""
    async with open_way(home, now_ms=noon_of(home), seed="stating") as way:
        if before:
            await published(way, *before)
        way.clock.ms += HOUR_MS
        stored = await way.deposit("loan 1", small_dossier(count))
        await way.forward()
        way.clock.ms += HOUR_MS
        if after:
            await published(way, *after)
        _, _, data = await way.retrieve(await way.grant(stored.dossier))
        return data


def made_of(home: Path, data: bytes) -> Made:
    """To verify it, and to seal it again."""
    return Made(
        data=data, trust=read_trust(home / "trust.json"), seal=load_signing_key(home / "court/keys/seal.pem"), home=home
    )


def make_stated(folder: Path) -> tuple[Made, Platform, Platform]:
    """Version 1 of both platforms, published in time."""
    home = make_home(folder)
    lender, court = pin_platforms(home)
    return made_of(home, asyncio.run(bundle_of(home, [lender.state(), court.state()], []))), lender, court

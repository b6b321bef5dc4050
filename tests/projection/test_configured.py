"""`[[projection]]` in a custodian's file: what is wrong is one line before anything is asked of a ledger."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from adapters.evm.devchain import CONTRACT
from relay.app.initialise import initialise
from relay.app.projection import open_projector
from relay.config.projection import read_projection
from relay.config.roles import LedgerConfig, read_custodian
from relay.core.errors import Malformed
from relay.ports.projection import EventSource
from relay.store.custodian import SqliteCustodianStore
from tests.projection.contract import EVENT
from tests.support.command import courtrelay

GOOD = f"""
[[projection]]
address = "0x{"ab" * 20}"
event = "{EVENT}"
digest = "digest"
dossier = "loan"
time = "time"
from_block = 0
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With an EVM chain as the lender's ledger; nothing runs."""
    try:
        return initialise(
            tmp_path_factory.mktemp("configured") / "home",
            base_port=0,
            validators=1,
            threshold=1,
            ledger="evm+embedded",
        ).home
    except Malformed as error:
        pytest.skip(str(error))


def configured(home: Path, folder: Path, text: str) -> Path:
    """The custodian's file with more at its end, in its own folder."""
    path = home / f"custodian/{folder.name}.toml"
    path.write_text((home / "custodian/config.toml").read_text() + text)
    return path


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("from_block = 0", "", "projection[0].from_block: must be a whole number"),
        ('dossier = "loan"', 'dossier = "Loan"', "projection[0].dossier: 'Loan' is no field"),
        ('time = "time"', "time = 7", "projection[0].time: must be given as a string"),
        ("digest = ", "digests = ", "projection[0].digests: is unknown; known are"),
        ("[[projection]]", "[projection]", "projection: must be a non-empty array of tables"),
        ("ab" * 20, CONTRACT[2:], "projection[0].address: is that of the anchors"),
        ("uint64 time", "uint64[ time", "projection[0].event: 'uint64[ time' is no field"),
    ],
)
def test_wrong_table_ends_the_custodian_with_one_line(
    home: Path, tmp_path: Path, old: str, new: str, told: str
) -> None:
    assert old in GOOD
    path = configured(home, tmp_path, GOOD.replace(old, new))
    ran = courtrelay("serve", "custodian", "--home", home, "--config", path)
    assert ran.code == 78
    said = [line for line in ran.err.splitlines() if not line.startswith("{")]
    assert len(said) == 1
    assert told in said[0]


def test_custodians_own_file_serves_the_checks_too(home: Path, tmp_path: Path) -> None:
    path = configured(home, tmp_path, GOOD)
    read, own = read_projection(path), read_custodian(path)
    assert (read.origin, read.trust, read.tables) == (own.origin, own.common.trust, own.projections)
    assert read.tls == (own.common.tls.ca, own.common.tls.certificate, own.common.tls.key)
    kept = {name: value for name, value in own.ledger.settings.items() if name in read.ledger.settings}
    assert kept == read.ledger.settings
    assert not {"account", "attesters"} & set(read.ledger.settings)


async def test_family_without_contracts_is_refused(tmp_path: Path) -> None:
    store = await SqliteCustodianStore.open(tmp_path, bytes(32))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        with pytest.raises(Malformed, match=r"projection: needs a ledger with contracts .* family embedded has none"):
            await open_projector(
                stack, LedgerConfig(family="embedded", settings={}), [{}], store, asyncio.Event()
            )  # fmt: skip


async def test_tables_that_are_gone_are_missed(tmp_path: Path) -> None:
    store = await SqliteCustodianStore.open(tmp_path, bytes(32))
    ledger = LedgerConfig(family="embedded", settings={})
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        assert await open_projector(stack, ledger, (), store, asyncio.Event()) is None
        await store.projections.add_sources([EventSource(text="mapping", start=1)])
        with pytest.raises(Malformed, match="projection: is gone, but the log holds events of 1 mappings"):
            await open_projector(stack, ledger, (), store, asyncio.Event())

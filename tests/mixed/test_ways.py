"""Lenders and courts on ledgers of different families: each way from deposit to a verdict on the retrieved bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evm.conftest import needs_anvil
from tests.mixed.homes import consistent, deposited, mixed_way, verdict_on
from tests.support.command import courtrelay

__all__ = ["needs_anvil"]


async def test_lender_whose_log_is_its_ledger_is_confirmed_on_an_embedded_court_ledger(tmp_path: Path) -> None:
    async with mixed_way(tmp_path, "tlog+embedded") as way:
        first = await deposited(way, "loan 1", published=True)
        second = await deposited(way, "loan 2", published=True)
        receipt = await way.registry.latest(way.origin)
        assert receipt is not None
        assert receipt.size == way.custodian_store.size
        for dossier in (first, second):
            consistent(await verdict_on(way, dossier), ["quorum", "tlog"])


@pytest.mark.usefixtures("needs_anvil")
@pytest.mark.parametrize("ledger", ["embedded+evm", "evm+embedded"])
async def test_lender_and_court_of_which_one_is_on_a_chain(tmp_path: Path, ledger: str) -> None:
    async with mixed_way(tmp_path, ledger) as way:
        dossier = await deposited(way, "loan 1")
        receipt = await way.registry.latest(way.origin)
        assert receipt is not None
        assert receipt.size == way.custodian_store.size
        consistent(await verdict_on(way, dossier), ["evm-attested", "quorum"])


def test_homes_that_can_be_made_are_named(tmp_path: Path) -> None:
    for command, known in (("init", "embedded, evm, embedded+evm, evm+embedded"), ("demo", "embedded, evm")):
        place = (tmp_path / "home",) if command == "init" else ()
        ran = courtrelay(command, *place, "--ledger", "evm+tlog")
        assert (ran.code, (tmp_path / "home").exists()) == (2, False)
        assert ran.err.rstrip().endswith(f"must be one of {known}")

"""What the gas bench measures: transactions of a true shape, on storage that the contract itself understands."""

from __future__ import annotations

import pytest
from eth_abi.abi import decode

from bench.gas import (
    CONTRACT,
    DIGEST,
    ISSUER,
    ORIGIN,
    SENDER,
    Case,
    UniformTree,
    anchor_case,
    call_data,
    cases,
    custody_case,
    gas_rows,
    grant_case,
    submit_case,
)
from relay.core.merkle import MemoryTree, consistency_proof, leaf_hash, root_from


def view(case: Case, signature: str, types: list[str], *values: object) -> tuple[object, ...]:
    """What the contract reads from the storage that the bench wrote."""
    answer = case.evm().message_call(SENDER, CONTRACT, call_data(signature, *values), is_static=True)
    return tuple(decode(types, answer))


@pytest.mark.parametrize(
    ("case", "function"),
    [(anchor_case(700, 1000), "last"), (submit_case(700, 1000), "last"), (custody_case(700, 1000), "lastCustody")],
)
def test_storage_before_is_what_the_contract_reads(case: Case, function: str) -> None:
    assert view(case, f"{function}(string)", ["uint64", "bytes32"], ORIGIN) == (700, root_from(700, UniformTree()))


def test_grant_before_its_revocation_is_registered() -> None:
    registered, revoked = view(
        grant_case(revoke=True), "grantState(string,bytes32)", ["uint64", "uint64"], ISSUER, DIGEST
    )
    assert registered
    assert not revoked


def test_uniform_tree_is_a_tree() -> None:
    tree = MemoryTree([leaf_hash(b"")] * 100)
    assert root_from(100, UniformTree()) == tree.root()
    assert consistency_proof(37, 100, UniformTree()) == tree.consistency_proof(37)


def test_figures_are_the_same_again_and_have_names_of_their_own() -> None:
    rows = gas_rows()
    assert [(row.name, row.values) for row in rows] == [(row.name, row.values) for row in gas_rows()]
    assert len({row.name for row in rows}) == len(rows) == len(cases()) + 2
    assert all(row.unit == "gas" and row.values[0] > 21_000 for row in rows)


def test_gas_of_a_checkpoint_grows_with_the_proof_and_not_with_the_tree() -> None:
    """A million times the leaves cost less than half as much again."""
    small, large = (submit_case(size - 300, size).gas() for size in (1000, 1_000_000_000))
    assert small < large < 1.5 * small


def test_call_that_emits_nothing_is_not_counted_as_one_that_does() -> None:
    honest = submit_case(700, 1000)
    repeated = Case(name="x", artefact=honest.artefact, before=submit_case(1000, 1300).before, data=honest.data)
    with pytest.raises(RuntimeError, match="0 events"):
        repeated.gas()

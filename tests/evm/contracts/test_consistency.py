"""The contract's judgement of consistency proofs is the relay's: true proofs, and altered ones by the ten thousand.

The claims are put before the deployed contract itself, through `submit`. What `submit` never asks its library, equal sizes and size 0, is
asked through a contract that only calls the library.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from eth_abi.abi import encode

from adapters.evm.contracts.artefacts import Artefact, read_sources
from adapters.evm.contracts.compile import compile_contract
from relay.core.limits import TREE_SIZE_MAX
from relay.core.merkle import HashReader, consistency_proof, root_from
from tests.evm.contracts.chain import WRITER, Contract, Reverted, new_court, submission
from tests.evm.contracts.mutations import OF_THE_CALL, OF_THE_STATE, Claim, Mutation
from tests.evm.contracts.trees import dense_tree, sparse_tree
from tests.support.tools import solc_folder

SEED = 20250305
DENSE_CLAIMS, SPARSE_CLAIMS, MUTANTS = 1100, 700, 56
NOT_CONSISTENT, TOO_LONG = Reverted("NotConsistent"), Reverted("TooLong")
HARNESS = """// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;
import {Rfc6962} from "./Rfc6962.sol";
contract Harness {
    function consistent(uint64 size1, uint64 size2, bytes32[] calldata proof, bytes32 root1, bytes32 root2)
        external pure returns (bool)
    {
        return Rfc6962.consistent(size1, size2, proof, root1, root2);
    }
}
"""


class Submitter:
    """`submit` of one origin, its call data put together from parts that never change: eth-abi would take most of the time."""

    def __init__(self) -> None:
        self._court = new_court(WRITER)
        whole = self._court.data("submit", *submission(1, bytes(32)))
        self._selector, self._fixed = whole[:4], len(submission(1, bytes(32))) * 32
        self._origin = whole[4 + self._fixed : -32]
        self.calls = 0
        assert self.data(Claim(3, 9, (b"\x01" * 32, b"\x02" * 32), b"", b"\x04" * 32)) == self._court.data(
            "submit", *submission(9, b"\x04" * 32, 3, [b"\x01" * 32, b"\x02" * 32])
        )

    def data(self, claim: Claim) -> bytes:
        numbers = (self._fixed, claim.size2, claim.size1, self._fixed + len(self._origin), 1)
        origin_at, size, old_size, proof_at, attempt = (n.to_bytes(32, "big") for n in numbers)
        head = self._selector + origin_at + size + claim.root2 + old_size + proof_at + attempt + b"\x05" * 32
        return head + self._origin + len(claim.proof).to_bytes(32, "big") + b"".join(claim.proof)

    def accepts(self, claim: Claim) -> bool:
        """Whether the call succeeds with one event; any refusal but the proof's fails the test."""
        self.calls += 1
        try:
            self._court.raw(WRITER, self.data(claim))
        except Reverted as refusal:
            if refusal != (TOO_LONG if len(claim.proof) > 64 else NOT_CONSISTENT):
                raise
            return False
        assert len(self._court.evm.result.logs) == 1
        return True

    def compare(self, claims: list[Claim]) -> Counter[bool]:
        """Put claims of one first half before the contract, each in the same state. Counts what both sides said."""
        evm, said = self._court.evm, Counter[bool]()
        before = evm.snapshot()
        first = replace(claims[0], size1=0, size2=claims[0].size1, proof=(), root2=claims[0].root1)
        assert self.accepts(first)
        for claim in claims:
            accepted, state = claim.holds, evm.snapshot()
            assert self.accepts(claim) == accepted, (accepted, claim)
            evm.revert(state)
            said[accepted] += 1
        evm.revert(before)
        return said


def true_claim(size1: int, size2: int, tree: HashReader) -> Claim:
    """What an honest log says."""
    proof = tuple(consistency_proof(size1, size2, tree))
    return Claim(size1, size2, proof, root_from(size1, tree), root_from(size2, tree))


def mutants(claim: Claim, kinds: tuple[Mutation, ...], count: int, r: random.Random) -> list[Claim]:
    """Claims that differ from a true one and are still growth; every fifth is altered twice."""
    made: list[Claim] = []
    while len(made) < count:
        altered = r.choice(kinds)(claim, r)
        if r.randrange(5) == 0:
            altered = r.choice(kinds)(altered, r)
        if altered != claim and altered.size1 < altered.size2:
            made.append(altered)
    return made


def compare_all(claims: list[Claim], r: random.Random) -> tuple[int, Counter[bool]]:
    """Every claim with its mutants; calls made, and what both sides said of the mutants."""
    submitter, said = Submitter(), Counter[bool]()
    for claim in claims:
        assert claim.holds
        assert submitter.compare([claim]) == {True: 1}
        said += submitter.compare(mutants(claim, OF_THE_CALL, MUTANTS, r))
        for altered in mutants(claim, OF_THE_STATE, 2, r):
            said += submitter.compare([altered])
    return submitter.calls, said


def dense_claims(r: random.Random) -> list[Claim]:
    tree = dense_tree(300, r)
    sizes = [sorted(r.sample(range(1, 301), 2)) for _ in range(DENSE_CLAIMS - 300)]
    small = [(a, b) for b in range(2, 26) for a in range(1, b)]
    assert len(small) == 300
    return [true_claim(a, b, tree) for a, b in (*small, *sizes)]


def sparse_sizes(bits: int, r: random.Random) -> list[int]:
    """Two sizes with anything from few to all bits set."""
    while True:
        ends = (
            r.getrandbits(bits),
            1 << r.randrange(bits),
            (1 << r.randrange(bits)) + r.randrange(-2, 3),
            r.getrandbits(9),
        )
        found = sorted(r.choice((n, n + r.randrange(400))) for n in r.sample(ends, 2))
        if 1 <= found[0] < found[1] <= TREE_SIZE_MAX:
            return found


def sparse_claims(r: random.Random) -> list[Claim]:
    claims = []
    for _ in range(SPARSE_CLAIMS // 10):
        usual, largest = sparse_tree(40, r), sparse_tree(53, r)
        for tree, bits in ((usual, 40),) * 9 + ((largest, 53),):
            claims.append(true_claim(*sparse_sizes(bits, r), tree))
    return claims


@pytest.mark.parametrize("make", [dense_claims, sparse_claims])
def test_contract_accepts_exactly_what_the_relay_accepts(
    make: Callable[[random.Random], list[Claim]], capsys: pytest.CaptureFixture[str]
) -> None:
    r = random.Random(SEED)
    claims = make(r)
    calls, said = compare_all(claims, r)
    with capsys.disabled():
        print(
            f"\n{make.__name__}, seed {SEED}: {calls:,} calls; {len(claims):,} true proofs accepted; "
            f"of the altered {said[False]:,} refused and {said[True]:,} accepted by both"
        )
    assert calls >= 40_000
    assert said[False] > 20 * len(claims)
    assert said[True] > 0, "sizes of one shape share proofs; both sides must say so"


def test_library_judges_equal_and_impossible_sizes_as_the_relay_does() -> None:
    sources = {"Harness.sol": HARNESS, "Rfc6962.sol": read_sources("CourtRegistry")["Rfc6962.sol"]}
    abi, bytecode, runtime = compile_contract("Harness", sources, solc_folder())
    harness = Contract(
        Artefact(contract="Harness", abi=tuple(abi), bytecode=bytes.fromhex(bytecode), runtime=bytes.fromhex(runtime))
    )
    r = random.Random(SEED)
    tree = dense_tree(40, r)
    for size1 in range(41):
        for size2 in range(41):
            honest = Claim(
                size1,
                size2,
                tuple(tree.consistency_proof(min(size1, size2), max(size1, size2))),
                tree.root(size1),
                tree.root(size2),
            )
            for claim in (honest, r.choice(OF_THE_CALL)(honest, r), replace(honest, proof=(honest.root1,))):
                values = (claim.size1, claim.size2, list(claim.proof), claim.root1, claim.root2)
                assert harness.view("consistent", *values) == (claim.holds,), claim


def test_call_data_made_by_hand_is_what_the_abi_says() -> None:
    """The fuzz would show nothing if its calls were not the contract's."""
    submitter, r = Submitter(), random.Random(SEED)
    for length in (0, 1, 2, 63, 64):
        claim = Claim(
            r.getrandbits(53), r.getrandbits(53), tuple(r.randbytes(32) for _ in range(length)), b"", r.randbytes(32)
        )
        types = ["string", "uint64", "bytes32", "uint64", "bytes32[]", "uint64", "bytes32"]
        values = submission(claim.size2, claim.root2, claim.size1, claim.proof)
        assert submitter.data(claim)[4:] == encode(types, values)

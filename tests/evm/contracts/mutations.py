"""Ways to alter a consistency claim: (size1, size2, proof, root1, root2) and its neighbours."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from relay.core.errors import Unverified
from relay.core.limits import TREE_SIZE_MAX
from relay.core.merkle import node_hash, verify_consistency


@dataclass(frozen=True, slots=True)
class Claim:
    """The tree of `size2` begins with the tree of `size1`."""

    size1: int
    size2: int
    proof: tuple[bytes, ...]
    root1: bytes
    root2: bytes

    @property
    def holds(self) -> bool:
        """What the relay's own verifier says."""
        try:
            verify_consistency(self.size1, self.size2, self.proof, self.root1, self.root2)
        except Unverified:
            return False
        return True


Mutation = Callable[[Claim, random.Random], Claim]


def flipped(value: bytes, r: random.Random) -> bytes:
    """One bit of 256."""
    return (int.from_bytes(value, "big") ^ (1 << r.randrange(256))).to_bytes(32, "big")


def at(proof: tuple[bytes, ...], r: random.Random) -> int:
    """A place in a proof, 0 in an empty one."""
    return r.randrange(len(proof)) if proof else 0


def flip(c: Claim, r: random.Random) -> Claim:
    i = at(c.proof, r)
    return replace(c, proof=c.proof[:i] + tuple(flipped(h, r) for h in c.proof[i : i + 1]) + c.proof[i + 1 :])


def drop(c: Claim, r: random.Random) -> Claim:
    i = r.choice((0, at(c.proof, r), len(c.proof) - 1))
    return replace(c, proof=c.proof[: max(i, 0)] + c.proof[max(i, 0) + 1 :])


def double(c: Claim, r: random.Random) -> Claim:
    i = at(c.proof, r)
    return replace(c, proof=c.proof[:i] + c.proof[i : i + 1] * 2 + c.proof[i + 1 :])


def swap(c: Claim, r: random.Random) -> Claim:
    proof, i, j = list(c.proof), at(c.proof, r), at(c.proof, r)
    if proof:
        proof[i], proof[j] = proof[j], proof[i]
    return replace(c, proof=tuple(proof))


def extend(c: Claim, r: random.Random) -> Claim:
    more = tuple(r.choice((r.randbytes(32), c.root1, c.root2, bytes(32))) for _ in range(r.choice((1, 1, 1, 2, 7))))
    return replace(c, proof=r.choice((c.proof + more, more + c.proof))[:64])


def fold(c: Claim, r: random.Random) -> Claim:
    """Two neighbours replaced by their parent: true hashes, wrong shape."""
    i = at(c.proof, r)
    pair = c.proof[i : i + 2]
    return c if len(pair) < 2 else replace(c, proof=(*c.proof[:i], node_hash(*pair), *c.proof[i + 2 :]))


def turn(c: Claim, r: random.Random) -> Claim:
    return replace(c, proof=c.proof[::-1])


def nothing(c: Claim, r: random.Random) -> Claim:
    return replace(c, proof=())


def only_roots(c: Claim, r: random.Random) -> Claim:
    return replace(c, proof=r.choice(((c.root1,), (c.root2,), (c.root1, c.root2))))


def stuffed(c: Claim, r: random.Random) -> Claim:
    return replace(c, proof=tuple(r.randbytes(32) for _ in range(r.randrange(65))))


def near(size: int, r: random.Random) -> int:
    """A size that is close, or close in its bits."""
    bit = 1 << r.randrange(size.bit_length() + 1)
    found = r.choice(
        (size + 1, size - 1, size ^ bit, size + bit, size - bit, size * 2, size // 2, bit, 1, TREE_SIZE_MAX)
    )
    return min(max(found, 1), TREE_SIZE_MAX)


def other_size1(c: Claim, r: random.Random) -> Claim:
    return replace(c, size1=near(c.size1, r))


def other_size2(c: Claim, r: random.Random) -> Claim:
    return replace(c, size2=near(c.size2, r))


def other_root1(c: Claim, r: random.Random) -> Claim:
    return replace(c, root1=r.choice((flipped(c.root1, r), c.root2, *c.proof)))


def other_root2(c: Claim, r: random.Random) -> Claim:
    return replace(c, root2=r.choice((flipped(c.root2, r), c.root1, *c.proof)))


OF_THE_CALL: tuple[Mutation, ...] = (
    flip, drop, double, swap, extend, fold, turn, nothing, only_roots, stuffed, other_size2, other_size2, other_root2,
)  # fmt: skip
"""What a writer can alter in a call."""
OF_THE_STATE: tuple[Mutation, ...] = (other_size1, other_root1)
"""What another history of the contract would be."""

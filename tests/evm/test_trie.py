"""Patricia tries: ten thousand proofs that agree with the `trie` library, and crafted nodes that end where no value is."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from adapters.evm.keccak import keccak256
from adapters.evm.rlp import decode, encode
from adapters.evm.trie import EMPTY_ROOT, NODES_MAX, TRIE_BYTES_MAX, Trie, index_key, verify_inclusion
from relay.core.errors import Malformed, Unverified

CASES = 10_000


def check(root: bytes, key: bytes, path: Sequence[bytes]) -> bytes:
    return verify_inclusion(root, key, path, what="proof")


def refused(root: bytes, key: bytes, path: Sequence[bytes]) -> str:
    with pytest.raises((Malformed, Unverified)) as refusal:
        check(root, key, path)
    return str(refusal.value)


def generated(chance: random.Random) -> dict[bytes, bytes]:
    """A block's trie, or one of short keys that begin one another, with values from one byte to some hundred."""
    sizes = (1, 2, 20, 31, 32, 33, 40, 300)
    values = [chance.randbytes(chance.choice(sizes)) for _ in range(chance.choice((1, 2, 3, 17, 60, 129, 200, 300)))]
    if chance.random() < 0.6:
        return {index_key(index): value for index, value in enumerate(values)}
    alphabet = b"\x00\x01\x10\x11\xf0\xff" if chance.random() < 0.5 else bytes(range(256))
    return {bytes(chance.choices(alphabet, k=chance.randint(1, 4))): value for value in values}


def test_ten_thousand_proofs_agree_with_an_independent_library() -> None:
    """Same root, same nodes; each side accepts the other's; a key that is not there is refused."""
    chance = random.Random(20251103)
    done = 0
    while done < CASES:
        items = generated(chance)
        theirs = HexaryTrie({})
        for key, value in items.items():
            theirs[key] = value
        ours = Trie(items)
        assert ours.root == theirs.root_hash
        for key, value in items.items():
            path = ours.path(key)
            nodes = [encode(node) for node in theirs.get_proof(key)]
            assert path == [node for node in nodes if len(node) >= 32 or node is nodes[0]]
            assert check(ours.root, key, path) == value
            done += 1
        key = chance.choice(list(items))
        proof = [decode(node, what="node", bytes_max=10**6) for node in ours.path(key)]
        assert HexaryTrie.get_from_proof(ours.root, key, proof) == items[key]
        absent = chance.randbytes(5)
        for node in (ours.path(key), [encode(node) for node in theirs.get_proof(absent)]):
            refused(ours.root, absent, node)


def test_the_empty_trie_and_a_trie_of_one() -> None:
    assert Trie({}).root == EMPTY_ROOT == HexaryTrie({}).root_hash
    refused(EMPTY_ROOT, index_key(0), [encode(b"")])
    one = Trie.of_list([b"v"])
    assert len(one.path(index_key(0))[0]) < 32
    assert check(one.root, index_key(0), one.path(index_key(0))) == b"v"
    with pytest.raises(RuntimeError):
        one.path(index_key(1))


@pytest.fixture(scope="module")
def big() -> Trie:
    chance = random.Random(3)
    return Trie.of_list([chance.randbytes(100) for _ in range(300)])


def test_path_of_another_index_is_refused(big: Trie) -> None:
    for index in range(300):
        for other in (index + 1, (index * 7 + 1) % 300):
            if other != index:
                refused(big.root, index_key(other), big.path(index_key(index)))


def test_nodes_left_out_doubled_swapped_or_added_are_refused(big: Trie) -> None:
    key = index_key(200)
    path = big.path(key)
    assert len(path) >= 3
    for i in range(len(path)):
        refused(big.root, key, path[:i] + path[i + 1 :])
        refused(big.root, key, [*path[: i + 1], path[i], *path[i + 1 :]])
        refused(big.root, key, path[:i])
        for j in range(i):
            swapped = list(path)
            swapped[i], swapped[j] = swapped[j], swapped[i]
            refused(big.root, key, swapped)
    assert "follow" in refused(big.root, key, [*path, path[-1]])
    assert "follow" in refused(big.root, key, [*path, b"\xc0"])
    refused(keccak256(b"other"), key, path)
    refused(path[1][:32], key, path)


def test_every_byte_of_every_node_counts(big: Trie) -> None:
    key = index_key(77)
    path = big.path(key)
    for i, node in enumerate(path):
        for at in range(len(node)):
            refused(big.root, key, [*path[:i], node[:at] + bytes([node[at] ^ 1]) + node[at + 1 :], *path[i + 1 :]])
        refused(big.root, key, [*path[:i], node[:-1], *path[i + 1 :]])
        refused(big.root, key, [*path[:i], node + b"\x00", *path[i + 1 :]])


def rooted(*nodes: Any) -> tuple[bytes, list[bytes]]:
    """Nodes as an attacker writes them, each linked into the one above where that holds `...`."""
    below: Any = None
    made: list[bytes] = []
    for node in reversed(nodes):
        linked = [below if item is ... else item for item in node]
        data = encode(linked)
        below = keccak256(data) if len(data) >= 32 else linked
        if len(data) >= 32 or node is nodes[0]:
            made.insert(0, data)
    return keccak256(made[0]), made


KEY = b"\x82\x34"  # nibbles 8 2 3 4
LONG = b"v" * 40
BRANCH: list[Any] = [b""] * 17


def branch(nibble: int, child: Any, value: bytes = b"") -> list[Any]:
    other = (nibble + 1) % 16
    return [child if i == nibble else LONG[:32] if i == other else b"" for i in range(16)] + [value]


def test_the_crafting_itself_is_sound() -> None:
    for nodes in (
        ([b"\x20\x82\x34", LONG],),
        (branch(8, ...), [b"\x32\x34", LONG]),
        ([b"\x00\x82", ...], branch(3, ...), [b"\x34", LONG]),
        ([b"\x00\x82\x34", ...], branch(0, b"w" * 32, LONG)),
        ([b"\x00\x82", ...], branch(3, ...), [b"\x34", b"short"]),
    ):
        root, path = rooted(*nodes)
        assert check(root, KEY, path) in (LONG, b"short")


@pytest.mark.parametrize(
    "nodes",
    [
        pytest.param((branch(8, b"w" * 32, LONG),), id="branch whose value is taken before the key is used up"),
        pytest.param(([b"\x00\x82", ...], branch(5, b"w" * 32, LONG)), id="branch that ends early below an extension"),
        pytest.param(([b"\x00\x82\x34", LONG],), id="extension that ends the key with a value in place of a node"),
        pytest.param(([b"\x00\x82\x34", b"v" * 32],), id="extension that ends the key with a hash as the value"),
        pytest.param(([b"\x00\x82\x34", ...], [b"\x20", LONG]), id="extension before a leaf"),
        pytest.param(
            ([b"\x00\x82", ...], [b"\x00\x34", ...], branch(0, b"w" * 32, LONG)), id="extension before an extension"
        ),
        pytest.param(([b"\x00", ...], branch(8, ...), [b"\x32\x34", LONG]), id="extension of no length"),
        pytest.param(([b"\x20\x82", LONG],), id="leaf that ends early"),
        pytest.param(([b"\x20\x82\x34\x00", LONG],), id="leaf with a longer path than the key"),
        pytest.param(
            ([b"\x00\x82\x34\x00", ...], branch(0, b"w" * 32, LONG)), id="extension with a longer path than the key"
        ),
        pytest.param(([b"\x00\x82\x34", ...], branch(0, b"w" * 32)), id="branch at the key's end without a value"),
        pytest.param(([b"\x21\x82\x34", LONG],), id="even path with a nibble in its padding"),
        pytest.param(([b"\x40\x82\x34", LONG],), id="flag that no path has"),
        pytest.param(([b"", LONG],), id="empty path"),
        pytest.param(([[b"\x20\x82\x34"], LONG],), id="list as a path"),
        pytest.param(([b"\x20\x82\x34", b""],), id="leaf without a value"),
        pytest.param(([b"\x20\x82\x34", [LONG]],), id="leaf with a list as its value"),
        pytest.param((branch(8, [b"\x32\x34", LONG]),), id="embedded node that is not shorter than a hash"),
        pytest.param((branch(8, b"w" * 31), [b"\x32\x34", LONG]), id="reference of 31 bytes"),
        pytest.param((branch(8, b"w" * 33), [b"\x32\x34", LONG]), id="reference of 33 bytes"),
        pytest.param((branch(8, b""), [b"\x32\x34", LONG]), id="empty place"),
        pytest.param(([*BRANCH[:8], b"w" * 32, *BRANCH[9:]],), id="branch with one way"),
        pytest.param(([*branch(8, b"w" * 32)[:16], [b"value"]],), id="branch with a list as its value"),
        pytest.param(([b"\x20\x82\x34", LONG, b""],), id="node of three items"),
        pytest.param(([*BRANCH, b""],), id="node of 18 items"),
        pytest.param(([],), id="node of no items"),
    ],
)
def test_crafted_node_is_refused(nodes: Any) -> None:
    root, path = rooted(*nodes)
    refused(root, KEY, path)


def test_short_node_named_by_its_hash_is_refused() -> None:
    leaf = encode([b"\x32\x34", b"short"])
    whole = encode(branch(8, keccak256(leaf)))
    assert "embedded" in refused(keccak256(whole), KEY, [whole, leaf])


def test_value_that_is_itself_a_node_is_no_way_down() -> None:
    """A receipt or transaction may hold any bytes; the bytes of a leaf for another key are no node of the trie."""
    forged = encode([b"\x20\x82\x34", LONG])
    trie = Trie({b"\x82\x35": forged, b"\x83\x00": keccak256(forged)})
    for key in (b"\x82\x35", b"\x83\x00"):
        refused(trie.root, KEY, [*trie.path(key), forged])


def test_too_many_nodes_and_too_many_bytes_are_refused_before_they_are_read() -> None:
    assert "nodes; must be" in refused(EMPTY_ROOT, KEY, [b"\xc0"] * (NODES_MAX + 1))
    assert "nodes; must be" in refused(EMPTY_ROOT, KEY, [])
    assert "bytes of nodes" in refused(EMPTY_ROOT, KEY, [bytes(TRIE_BYTES_MAX // 2 + 1)] * 2)
    value = b"v" * (TRIE_BYTES_MAX - 100)
    large = Trie.of_list([value])
    assert check(large.root, index_key(0), large.path(index_key(0))) == value


@given(st.lists(st.binary(max_size=100), max_size=4), st.binary(max_size=4))
@settings(max_examples=500, deadline=None)
def test_random_nodes_end_in_a_refusal(path: list[bytes], key: bytes) -> None:
    refused(keccak256(path[0]) if path else EMPTY_ROOT, key + b"\xff\xff\xff\xff", path)


@given(st.lists(st.recursive(st.binary(max_size=34), lambda i: st.lists(i, max_size=17), max_leaves=20), max_size=17))
@settings(max_examples=150, deadline=None)
def test_random_items_as_a_root_node_end_in_a_refusal_or_their_own_value(node: Any) -> None:
    data = encode(node)
    try:
        value = check(keccak256(data), KEY, [data])
    except (Malformed, Unverified):
        return
    assert value in data

"""Merkle Patricia tries: inclusion of a value, and the tries of a block's receipts and transactions (yellow paper, appendix D).

A verifier that takes a node for another kind than it is, or a path for finished before the key is, can be made to believe in
values that were never stored. Here every node says what it is, every nibble of the key is used, and no node is left over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from adapters.evm.keccak import keccak256
from adapters.evm.rlp import Item, as_bytes, decode_list, encode, scalar
from relay.core.errors import Malformed, Unverified

HASH_BYTES: Final = 32
NODES_MAX: Final = 64
TRIE_BYTES_MAX: Final = 512 * 1024
EMPTY_ROOT: Final = keccak256(encode(b""))
_BRANCH: Final = 17
_SHORT: Final = 2
_VALUE: Final = 16


def index_key(index: int) -> bytes:
    """The key of the transaction and of the receipt at that index of a block: RLP of the integer. No such key begins another."""
    return encode(scalar(index))


def verify_inclusion(root: bytes, key: bytes, path: Sequence[bytes], *, what: str) -> bytes:
    """The value that the trie of that root holds at the key, shown by the nodes from the root to it.

    Raises `Malformed` (a node that no trie has), `Unverified` (a node that does not belong there, or a path that leads elsewhere).
    """
    if not 0 < len(path) <= NODES_MAX:
        raise Malformed(what, "", f"{len(path)} nodes; must be 1 to {NODES_MAX}")
    if sum(map(len, path)) > TRIE_BYTES_MAX:
        raise Malformed(what, "", f"more than {TRIE_BYTES_MAX} bytes of nodes")
    nodes = iter(path)

    def following(reference: bytes) -> bytes:
        node = next(nodes, None)
        if node is None:
            raise Unverified(what, "ends before the value is reached")
        if keccak256(node) != reference:
            raise Unverified(what, "a node is not the one that the node above it, or the header, names")
        return node

    value = _walk(root, key, following, what)
    if next(nodes, None) is not None:
        raise Unverified(what, "nodes follow the one that holds the value")
    return value


def _walk(root: bytes, key: bytes, fetch: Callable[[bytes], bytes], what: str) -> bytes:
    """Follow the key down from the root; `fetch` gives the node of a hash."""
    nibbles, at = _nibbles(key), 0
    node = decode_list(fetch(root), what=what, bytes_max=TRIE_BYTES_MAX)
    below_extension = False
    while True:
        if len(node) == _BRANCH:
            _check_branch(node, what)
            if at == len(nibbles):
                return _value(node[_VALUE], what)
            reference = node[nibbles[at]]
            at += 1
            below_extension = False
        elif len(node) == _SHORT and not below_extension:
            is_leaf, part = _compact(node[0], what)
            if nibbles[at : at + len(part)] != part:
                raise Unverified(what, "leads to another key")
            at += len(part)
            if is_leaf:
                if at != len(nibbles):
                    raise Unverified(what, "ends in a leaf before the key is used up")
                return _value(node[1], what)
            if not part:
                raise Malformed(what, "", "holds an extension of no length")
            reference, below_extension = node[1], True
        else:
            raise Malformed(what, "", f"holds a node of {len(node)} items where none or another kind can stand")
        node = _follow(reference, fetch, what)


def _follow(reference: Item, fetch: Callable[[bytes], bytes], what: str) -> list[Item]:
    """The node a reference stands for: embedded when it is shorter than a hash, by its hash otherwise, never the other way."""
    if isinstance(reference, list):
        if len(encode(reference)) >= HASH_BYTES:
            raise Malformed(what, "", "embeds a node that is not shorter than a hash")
        return reference
    if not reference:
        raise Unverified(what, "leads to an empty place: the trie holds nothing at this key")
    if len(reference) != HASH_BYTES:
        raise Malformed(what, "", f"holds a reference of {len(reference)} bytes")
    data = fetch(reference)
    if len(data) < HASH_BYTES:
        raise Malformed(what, "", "names a node by hash that would have to be embedded")
    return decode_list(data, what=what, bytes_max=TRIE_BYTES_MAX)


def _check_branch(node: list[Item], what: str) -> None:
    as_bytes(node[_VALUE], what, "value of a branch")
    if sum(bool(item) for item in node) < 2:
        raise Malformed(what, "", "holds a branch with fewer than two ways")


def _value(item: Item, what: str) -> bytes:
    value = as_bytes(item, what, "value")
    if not value:
        raise Unverified(what, "ends at a node without a value")
    return value


def _nibbles(key: bytes) -> bytes:
    return bytes(nibble for byte in key for nibble in (byte >> 4, byte & 15))


def _compact(item: Item, what: str) -> tuple[bool, bytes]:
    """Hex-prefix decoding: whether it is a leaf's path, and the nibbles."""
    nibbles = _nibbles(as_bytes(item, what, "path of a node"))
    if not nibbles or nibbles[0] > 3 or (not nibbles[0] & 1 and nibbles[1]):
        raise Malformed(what, "path of a node", "is not a hex-prefix path")
    return nibbles[0] >= 2, nibbles[1:] if nibbles[0] & 1 else nibbles[2:]


def _to_compact(nibbles: bytes, *, is_leaf: bool) -> bytes:
    flag = 2 * is_leaf + len(nibbles) % 2
    whole = bytes([flag, *nibbles]) if flag & 1 else bytes([flag, 0, *nibbles])
    return bytes(high << 4 | low for high, low in zip(whole[::2], whole[1::2], strict=True))


class Trie:
    """All of a trie, to make paths from. `items` maps keys to values; neither is empty, a key may begin another."""

    def __init__(self, items: Mapping[bytes, bytes]) -> None:
        self._nodes: dict[bytes, bytes] = {}
        pairs = sorted((_nibbles(key), value) for key, value in items.items())
        whole = encode(self._build(pairs, 0) if pairs else b"")
        self.root = keccak256(whole)
        self._nodes[self.root] = whole

    @classmethod
    def of_list(cls, values: Sequence[bytes]) -> Trie:
        """The trie of a block's receipts or transactions in their order."""
        return cls({index_key(index): value for index, value in enumerate(values)})

    def path(self, key: bytes) -> list[bytes]:
        """The nodes from the root to the key's value. RuntimeError when the key is not in the trie."""
        nodes: list[bytes] = []

        def kept(reference: bytes) -> bytes:
            nodes.append(self._nodes[reference])
            return nodes[-1]

        try:
            _walk(self.root, key, kept, "trie")
        except (Malformed, Unverified) as error:
            raise RuntimeError(f"key {key.hex()} is not in the trie: {error}") from None
        return nodes

    def _build(self, pairs: list[tuple[bytes, bytes]], at: int) -> list[Item]:
        """The node for sorted keys that agree in their first `at` nibbles."""
        first, last = pairs[0][0], pairs[-1][0]
        if len(pairs) == 1:
            return [_to_compact(first[at:], is_leaf=True), pairs[0][1]]
        shared = at
        while shared < len(first) and first[shared] == last[shared]:
            shared += 1
        if shared > at:
            return [_to_compact(first[at:shared], is_leaf=False), self._reference(self._build(pairs, shared))]
        branch: list[Item] = [b""] * _BRANCH
        if len(first) == at:
            branch[_VALUE] = pairs[0][1]
            pairs = pairs[1:]
        groups: dict[int, list[tuple[bytes, bytes]]] = {}
        for pair in pairs:
            groups.setdefault(pair[0][at], []).append(pair)
        for nibble, group in groups.items():
            branch[nibble] = self._reference(self._build(group, at + 1))
        return branch

    def _reference(self, node: list[Item]) -> Item:
        whole = encode(node)
        if len(whole) < HASH_BYTES:
            return node
        name = keccak256(whole)
        self._nodes[name] = whole
        return name

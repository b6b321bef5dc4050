// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Consistency of two sizes of one RFC 6962 tree.
/// @dev The algorithm of RFC 9162 section 2.1.4.2. It accepts exactly what `verify_consistency` in relay/core/merkle.py
/// accepts; a test compares the two on random and on altered proofs.
library Rfc6962 {
    /// @notice Whether the tree of `size2` with `root2` begins with the tree of `size1` with `root1`.
    /// @dev From size 0 nothing is shown, so nothing is accepted. Every step of the loop takes at least one bit off the
    /// size, so that at most 64 steps are taken, however long the proof is.
    function consistent(uint64 size1, uint64 size2, bytes32[] calldata proof, bytes32 root1, bytes32 root2)
        internal
        pure
        returns (bool)
    {
        if (size1 == 0 || size1 > size2) return false;
        if (size1 == size2) return proof.length == 0 && root1 == root2;
        (uint256 node, uint256 end) = (size1 - 1, size2 - 1);
        // The levels below the old tree's last whole part are inside it: the proof says nothing of them.
        while (node & 1 == 1) (node, end) = (node >> 1, end >> 1);

        uint256 next;
        bytes32 first = root1;
        if (node != 0) {
            // Not one whole part: the proof begins with the hash of the last one.
            if (proof.length == 0) return false;
            (first, next) = (proof[0], 1);
        }
        (bytes32 inner, bytes32 outer) = (first, first);
        for (; next < proof.length; ++next) {
            if (end == 0) return false;
            bytes32 sibling = proof[next];
            if (node & 1 == 1 || node == end) {
                // A left sibling is in both trees.
                inner = parent(sibling, inner);
                outer = parent(sibling, outer);
                // `node` is not 0 here: it is odd, or it is `end`.
                while (node & 1 == 0) (node, end) = (node >> 1, end >> 1);
            } else {
                // A right sibling is in the new tree only.
                outer = parent(outer, sibling);
            }
            (node, end) = (node >> 1, end >> 1);
        }
        return end == 0 && inner == root1 && outer == root2;
    }

    /// @notice SHA-256(0x01 ‖ left ‖ right), by the precompile at address 2.
    function parent(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Checkpoints of evidence logs on a lender's chain.
/// @notice Nobody administers this contract: the first sender of an origin owns it, for ever. What a log may become is
/// limited (it grows, and a size has one root), what it holds is not judged: that a checkpoint is signed, and that it
/// extends the one before, is shown to a court by the log itself.
/// @dev What happened is read from the events, whose data a receipt proof carries; the state only keeps the rules and answers a retry.
contract AnchorLog {
    struct Entry {
        bytes32 root;
        uint64 blockNumber;
    }

    struct Log {
        // Owner and last size share a slot: an anchor reads and writes both.
        address owner;
        uint64 last;
        mapping(uint64 size => Entry) entries;
    }

    /// Sizes stay exact in JSON numbers, which is how the facts are written further on.
    uint64 private constant SIZE_MAX = 2 ** 53 - 1;
    uint256 private constant ORIGIN_BYTES_MAX = 255;

    mapping(bytes32 originHash => Log) private logs;

    /// @param originHash keccak256 of the origin's bytes, so that a node can filter by origin.
    event Anchored(bytes32 indexed originHash, address indexed sender, string origin, uint64 size, bytes32 root);

    /// The origin is empty or longer than 255 bytes.
    error TooLong();
    /// The size is above 2^53 - 1.
    error TooLarge();
    /// The origin belongs to another sender.
    error NotOwner(address owner);
    /// This size stands here already, with this root.
    error OtherRoot(bytes32 root);
    /// The size is not above the last one.
    error Smaller(uint64 last);

    /// @notice Writes one checkpoint. The same checkpoint again changes nothing and emits nothing, so a retry is safe at any time.
    /// @dev The owner is asked for before the size: a stranger learns nothing from a repeat, and cannot make one look like its own.
    function anchor(string calldata origin, uint64 size, bytes32 root) external {
        uint256 length = bytes(origin).length;
        if (length == 0 || length > ORIGIN_BYTES_MAX) revert TooLong();
        if (size > SIZE_MAX) revert TooLarge();
        bytes32 originHash = keccak256(bytes(origin));
        Log storage log = logs[originHash];
        (address owner, uint64 lastSize) = (log.owner, log.last);
        if (owner != address(0) && owner != msg.sender) revert NotOwner(owner);

        Entry storage entry = log.entries[size];
        if (entry.blockNumber != 0) {
            if (entry.root != root) revert OtherRoot(entry.root);
            return;
        }
        // Also refuses size 0: an empty log has nothing to anchor.
        if (size <= lastSize) revert Smaller(lastSize);
        (log.owner, log.last) = (msg.sender, size);
        (entry.root, entry.blockNumber) = (root, uint64(block.number));
        emit Anchored(originHash, msg.sender, origin, size, root);
    }

    /// @notice The anchor of an origin at a size, and the block whose receipts hold its event.
    function anchored(string calldata origin, uint64 size)
        external
        view
        returns (bytes32 root, uint64 blockNumber, bool exists)
    {
        Entry storage entry = logs[keccak256(bytes(origin))].entries[size];
        // No transaction runs in block 0, so a number says that there is an entry; a root may be any 32 bytes.
        (root, blockNumber) = (entry.root, entry.blockNumber);
        exists = blockNumber != 0;
    }

    /// @notice The largest anchor of an origin; size 0 before the first.
    function last(string calldata origin) external view returns (uint64 size, bytes32 root) {
        Log storage log = logs[keccak256(bytes(origin))];
        size = log.last;
        root = log.entries[size].root;
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Rfc6962} from "./Rfc6962.sol";

/// @title What a court's chain accepts: checkpoints that extend the last one, heads of custody logs, statements on grants.
/// @notice Growth is checked here, so that no order of transactions can fork a log. Signatures are not: Ed25519 has no
/// precompile. Writers are therefore named by an administrator, and every statement and checkpoint is checked again by
/// whoever relies on it.
/// @dev What happened is read from the events, whose data a receipt proof carries; the state only keeps the rules and answers a retry.
contract CourtRegistry {
    struct Entry {
        bytes32 root;
        uint64 blockNumber;
    }

    struct Log {
        uint64 last;
        mapping(uint64 size => Entry) entries;
    }

    struct GrantBlocks {
        uint64 registered;
        uint64 revoked;
    }

    /// Sizes stay exact in JSON numbers, which is how the facts are written further on.
    uint64 private constant SIZE_MAX = 2 ** 53 - 1;
    uint256 private constant NAME_BYTES_MAX = 255;
    uint256 private constant PROOF_HASHES_MAX = 64;
    uint256 private constant STATEMENT_BYTES_MAX = 8192;

    address public admin;
    mapping(address account => bool) public writers;

    mapping(bytes32 originHash => Log) private checkpoints;
    // Custody logs have origins of their own: a head must never be taken for a lender's checkpoint.
    mapping(bytes32 originHash => Log) private custodyHeads;
    // By issuer as well: nobody speaks for another lender's grant.
    mapping(bytes32 issuerHash => mapping(bytes32 digest => GrantBlocks)) private grants;

    event AdminSet(address indexed admin);
    event WriterSet(address indexed writer, bool allowed);
    /// @param originHash keccak256 of the origin's bytes, so that a node can filter by origin.
    /// @param attempt Which try of the sender this was.
    /// @param source keccak256 of the proof of the anchor on the lender's ledger; recorded, not judged.
    event CheckpointAccepted(
        bytes32 indexed originHash,
        address indexed sender,
        string origin,
        uint64 size,
        bytes32 root,
        uint64 oldSize,
        uint64 attempt,
        bytes32 source
    );
    event CustodyHead(bytes32 indexed originHash, address indexed sender, string origin, uint64 size, bytes32 root);
    event GrantRecorded(
        bytes32 indexed issuerHash,
        bytes32 indexed digest,
        address indexed sender,
        string issuer,
        bool revoke,
        bytes statement
    );

    /// The chain's precompile at address 2 is not SHA-256; no proof could ever be checked here.
    error NoSha256();
    /// Only the administrator may do this.
    error NotAdmin(address sender);
    /// The zero address cannot administer.
    error NoAdmin();
    /// Only a writer may do this.
    error NotWriter(address sender);
    /// A name is empty or longer than 255 bytes, a proof has more than 64 hashes, or a statement more than 8192 bytes.
    error TooLong();
    /// The size is above 2^53 - 1.
    error TooLarge();
    /// This size stands here already, with this root.
    error OtherRoot(bytes32 root);
    /// The size is not above the last one.
    error Smaller(uint64 last);
    /// The sender's idea of the last size is not what stands here.
    error NotLast(uint64 last);
    /// The proof does not show that this checkpoint extends the last one.
    error NotConsistent();
    /// What was never registered cannot be revoked.
    error NotRegistered();

    modifier onlyAdmin() {
        if (msg.sender != admin) revert NotAdmin(msg.sender);
        _;
    }

    modifier onlyWriter() {
        if (!writers[msg.sender]) revert NotWriter(msg.sender);
        _;
    }

    /// @param first The administrator. It names writers and is none itself.
    constructor(address first) {
        // Chains for other national algorithms put another hash at this address.
        if (sha256("") != 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855) revert NoSha256();
        _setAdmin(first);
    }

    /// @notice Hands the administration over. One step: the new administrator need not act.
    function transferAdmin(address next) external onlyAdmin {
        _setAdmin(next);
    }

    /// @notice Lets an account write, or no longer. What it has written stays.
    function setWriter(address writer, bool allowed) external onlyAdmin {
        if (writers[writer] == allowed) return;
        writers[writer] = allowed;
        emit WriterSet(writer, allowed);
    }

    /// @notice Accepts a checkpoint that extends the last one of its origin. The same (origin, size, root) again changes
    /// nothing and emits nothing, whatever else the call says: a retry is safe at any time.
    /// @param oldSize The last size as the sender knows it, 0 before the first.
    /// @param proof RFC 6962 consistency proof from `oldSize`, empty when that is 0.
    function submit(
        string calldata origin,
        uint64 size,
        bytes32 root,
        uint64 oldSize,
        bytes32[] calldata proof,
        uint64 attempt,
        bytes32 source
    ) external onlyWriter {
        bytes32 originHash = _nameHash(origin);
        if (_extend(checkpoints[originHash], size, root, oldSize, proof)) {
            emit CheckpointAccepted(originHash, msg.sender, origin, size, root, oldSize, attempt, source);
        }
    }

    /// @notice The same for the head of a custody log, in a space of its own.
    function custody(string calldata origin, uint64 size, bytes32 root, uint64 oldSize, bytes32[] calldata proof)
        external
        onlyWriter
    {
        bytes32 originHash = _nameHash(origin);
        if (_extend(custodyHeads[originHash], size, root, oldSize, proof)) {
            emit CustodyHead(originHash, msg.sender, origin, size, root);
        }
    }

    /// @notice Records an issuer's signed statement on a grant. The first registration and the first revocation count;
    /// repeats change nothing and emit nothing. A grant that was revoked cannot be registered again.
    function recordGrant(string calldata issuer, bytes32 digest, bool revoke, bytes calldata statement)
        external
        onlyWriter
    {
        bytes32 issuerHash = _nameHash(issuer);
        if (statement.length > STATEMENT_BYTES_MAX) revert TooLong();
        GrantBlocks storage grant = grants[issuerHash][digest];
        if (revoke) {
            if (grant.registered == 0) revert NotRegistered();
            if (grant.revoked != 0) return;
            grant.revoked = uint64(block.number);
        } else {
            if (grant.registered != 0) return;
            grant.registered = uint64(block.number);
        }
        emit GrantRecorded(issuerHash, digest, msg.sender, issuer, revoke, statement);
    }

    /// @notice The last accepted checkpoint of an origin; size 0 before the first.
    function last(string calldata origin) external view returns (uint64 size, bytes32 root) {
        return _last(checkpoints[keccak256(bytes(origin))]);
    }

    /// @notice The checkpoint of an origin at a size, and the block whose receipts hold its event.
    function accepted(string calldata origin, uint64 size)
        external
        view
        returns (bytes32 root, uint64 blockNumber, bool exists)
    {
        return _at(checkpoints[keccak256(bytes(origin))], size);
    }

    /// @notice The last head of a custody log; size 0 before the first.
    function lastCustody(string calldata origin) external view returns (uint64 size, bytes32 root) {
        return _last(custodyHeads[keccak256(bytes(origin))]);
    }

    /// @notice The head of a custody log at a size, and the block whose receipts hold its event.
    function acceptedCustody(string calldata origin, uint64 size)
        external
        view
        returns (bytes32 root, uint64 blockNumber, bool exists)
    {
        return _at(custodyHeads[keccak256(bytes(origin))], size);
    }

    /// @notice In which blocks a grant was registered and revoked; 0 when it was not.
    function grantState(string calldata issuer, bytes32 digest)
        external
        view
        returns (uint64 registeredBlock, uint64 revokedBlock)
    {
        GrantBlocks storage grant = grants[keccak256(bytes(issuer))][digest];
        return (grant.registered, grant.revoked);
    }

    /// @dev The rule of every growing log; false when the same stands here already. The repeat is looked for first:
    /// whoever retries cannot know that the log has grown since.
    function _extend(Log storage log, uint64 size, bytes32 root, uint64 oldSize, bytes32[] calldata proof)
        private
        returns (bool)
    {
        if (size > SIZE_MAX) revert TooLarge();
        if (proof.length > PROOF_HASHES_MAX) revert TooLong();
        Entry storage entry = log.entries[size];
        if (entry.blockNumber != 0) {
            if (entry.root != root) revert OtherRoot(entry.root);
            return false;
        }
        uint64 lastSize = log.last;
        // Also refuses size 0: an empty log has nothing to accept.
        if (size <= lastSize) revert Smaller(lastSize);
        if (oldSize != lastSize) revert NotLast(lastSize);
        if (lastSize == 0) {
            if (proof.length != 0) revert NotConsistent();
        } else if (!Rfc6962.consistent(lastSize, size, proof, log.entries[lastSize].root, root)) {
            revert NotConsistent();
        }
        log.last = size;
        (entry.root, entry.blockNumber) = (root, uint64(block.number));
        return true;
    }

    function _setAdmin(address next) private {
        if (next == address(0)) revert NoAdmin();
        admin = next;
        emit AdminSet(next);
    }

    function _nameHash(string calldata name) private pure returns (bytes32) {
        uint256 length = bytes(name).length;
        if (length == 0 || length > NAME_BYTES_MAX) revert TooLong();
        return keccak256(bytes(name));
    }

    function _last(Log storage log) private view returns (uint64 size, bytes32 root) {
        size = log.last;
        root = log.entries[size].root;
    }

    /// @dev No transaction runs in block 0, so a number says that there is an entry; a root may be any 32 bytes.
    function _at(Log storage log, uint64 size)
        private
        view
        returns (bytes32 root, uint64 blockNumber, bool exists)
    {
        Entry storage entry = log.entries[size];
        (root, blockNumber) = (entry.root, entry.blockNumber);
        exists = blockNumber != 0;
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// A lender's own contract: one event per record, and nothing of this project. What is not `store` or `storeMany` is for attacks.
contract LoanRecords {
    event RecordStored(bytes32 indexed loan, bytes32 digest, uint64 time);
    event Noted(bytes32 indexed loan, string text);

    error Refused();

    function store(bytes32 loan, bytes32 digest, uint64 time) external {
        emit RecordStored(loan, digest, time);
    }

    function storeMany(bytes32[] calldata loans, bytes32 first, uint64 time) external {
        for (uint256 i = 0; i < loans.length; i++) {
            emit RecordStored(loans[i], keccak256(abi.encode(first, i)), time);
        }
    }

    function note(bytes32 loan, string calldata text) external {
        emit Noted(loan, text);
    }

    function storeAndFail(bytes32 loan, bytes32 digest, uint64 time) external {
        emit RecordStored(loan, digest, time);
        revert Refused();
    }

    /// The event's topics with data of another form.
    function storeRaw(bytes32 loan, bytes calldata data) external {
        bytes32 topic = RecordStored.selector;
        assembly {
            let at := mload(0x40)
            calldatacopy(at, data.offset, data.length)
            log2(at, data.length, topic, loan)
        }
    }
}

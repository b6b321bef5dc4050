from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HelloRequest(_message.Message):
    __slots__ = ("versions",)
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, versions: _Optional[_Iterable[int]] = ...) -> None: ...

class HelloReply(_message.Message):
    __slots__ = ("version", "name", "adapter_version", "family", "proof_kind", "ledger", "source", "court")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_VERSION_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    PROOF_KIND_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    COURT_FIELD_NUMBER: _ClassVar[int]
    version: int
    name: str
    adapter_version: str
    family: str
    proof_kind: str
    ledger: str
    source: bool
    court: bool
    def __init__(self, version: _Optional[int] = ..., name: _Optional[str] = ..., adapter_version: _Optional[str] = ..., family: _Optional[str] = ..., proof_kind: _Optional[str] = ..., ledger: _Optional[str] = ..., source: _Optional[bool] = ..., court: _Optional[bool] = ...) -> None: ...

class Anchor(_message.Message):
    __slots__ = ("ledger", "origin", "size", "root", "height", "block_hash", "tx_id", "time_ms")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_HASH_FIELD_NUMBER: _ClassVar[int]
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    origin: str
    size: int
    root: bytes
    height: int
    block_hash: bytes
    tx_id: bytes
    time_ms: int
    def __init__(self, ledger: _Optional[str] = ..., origin: _Optional[str] = ..., size: _Optional[int] = ..., root: _Optional[bytes] = ..., height: _Optional[int] = ..., block_hash: _Optional[bytes] = ..., tx_id: _Optional[bytes] = ..., time_ms: _Optional[int] = ...) -> None: ...

class LedgerProof(_message.Message):
    __slots__ = ("kind", "ledger", "body")
    KIND_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    kind: str
    ledger: str
    body: bytes
    def __init__(self, kind: _Optional[str] = ..., ledger: _Optional[str] = ..., body: _Optional[bytes] = ...) -> None: ...

class HeadRequest(_message.Message):
    __slots__ = ("ledger",)
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    def __init__(self, ledger: _Optional[str] = ...) -> None: ...

class LedgerHead(_message.Message):
    __slots__ = ("height", "block_hash", "final_height")
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_HASH_FIELD_NUMBER: _ClassVar[int]
    FINAL_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    height: int
    block_hash: bytes
    final_height: int
    def __init__(self, height: _Optional[int] = ..., block_hash: _Optional[bytes] = ..., final_height: _Optional[int] = ...) -> None: ...

class BlocksRequest(_message.Message):
    __slots__ = ("ledger", "start")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    start: int
    def __init__(self, ledger: _Optional[str] = ..., start: _Optional[int] = ...) -> None: ...

class BlocksReply(_message.Message):
    __slots__ = ("block",)
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    block: Block
    def __init__(self, block: _Optional[_Union[Block, _Mapping]] = ...) -> None: ...

class Block(_message.Message):
    __slots__ = ("height", "block_hash", "parent_hash", "time_ms", "anchors", "final_height")
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_HASH_FIELD_NUMBER: _ClassVar[int]
    PARENT_HASH_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    ANCHORS_FIELD_NUMBER: _ClassVar[int]
    FINAL_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    height: int
    block_hash: bytes
    parent_hash: bytes
    time_ms: int
    anchors: _containers.RepeatedCompositeFieldContainer[Anchor]
    final_height: int
    def __init__(self, height: _Optional[int] = ..., block_hash: _Optional[bytes] = ..., parent_hash: _Optional[bytes] = ..., time_ms: _Optional[int] = ..., anchors: _Optional[_Iterable[_Union[Anchor, _Mapping]]] = ..., final_height: _Optional[int] = ...) -> None: ...

class FindAnchorRequest(_message.Message):
    __slots__ = ("ledger", "origin", "size")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    origin: str
    size: int
    def __init__(self, ledger: _Optional[str] = ..., origin: _Optional[str] = ..., size: _Optional[int] = ...) -> None: ...

class FindAnchorReply(_message.Message):
    __slots__ = ("anchor",)
    ANCHOR_FIELD_NUMBER: _ClassVar[int]
    anchor: Anchor
    def __init__(self, anchor: _Optional[_Union[Anchor, _Mapping]] = ...) -> None: ...

class ProveAnchorRequest(_message.Message):
    __slots__ = ("ledger", "anchor")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    ANCHOR_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    anchor: Anchor
    def __init__(self, ledger: _Optional[str] = ..., anchor: _Optional[_Union[Anchor, _Mapping]] = ...) -> None: ...

class AnchorRequest(_message.Message):
    __slots__ = ("ledger", "origin", "size", "root")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    origin: str
    size: int
    root: bytes
    def __init__(self, ledger: _Optional[str] = ..., origin: _Optional[str] = ..., size: _Optional[int] = ..., root: _Optional[bytes] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("ledger", "origin", "size", "root", "height", "tx_id", "time_ms")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    origin: str
    size: int
    root: bytes
    height: int
    tx_id: bytes
    time_ms: int
    def __init__(self, ledger: _Optional[str] = ..., origin: _Optional[str] = ..., size: _Optional[int] = ..., root: _Optional[bytes] = ..., height: _Optional[int] = ..., tx_id: _Optional[bytes] = ..., time_ms: _Optional[int] = ...) -> None: ...

class LatestRequest(_message.Message):
    __slots__ = ("ledger", "origin")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    origin: str
    def __init__(self, ledger: _Optional[str] = ..., origin: _Optional[str] = ...) -> None: ...

class FindReceiptReply(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: Receipt
    def __init__(self, receipt: _Optional[_Union[Receipt, _Mapping]] = ...) -> None: ...

class SubmitRequest(_message.Message):
    __slots__ = ("ledger", "checkpoint", "old_size", "consistency", "anchor", "attempt")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    OLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    ANCHOR_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    checkpoint: bytes
    old_size: int
    consistency: _containers.RepeatedScalarFieldContainer[bytes]
    anchor: LedgerProof
    attempt: int
    def __init__(self, ledger: _Optional[str] = ..., checkpoint: _Optional[bytes] = ..., old_size: _Optional[int] = ..., consistency: _Optional[_Iterable[bytes]] = ..., anchor: _Optional[_Union[LedgerProof, _Mapping]] = ..., attempt: _Optional[int] = ...) -> None: ...

class FindReceiptRequest(_message.Message):
    __slots__ = ("ledger", "origin", "size", "root")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    origin: str
    size: int
    root: bytes
    def __init__(self, ledger: _Optional[str] = ..., origin: _Optional[str] = ..., size: _Optional[int] = ..., root: _Optional[bytes] = ...) -> None: ...

class ProveRequest(_message.Message):
    __slots__ = ("ledger", "tx_id")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    tx_id: bytes
    def __init__(self, ledger: _Optional[str] = ..., tx_id: _Optional[bytes] = ...) -> None: ...

class RecordGrantRequest(_message.Message):
    __slots__ = ("ledger", "statement")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    statement: bytes
    def __init__(self, ledger: _Optional[str] = ..., statement: _Optional[bytes] = ...) -> None: ...

class TransactionReply(_message.Message):
    __slots__ = ("tx_id",)
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    tx_id: bytes
    def __init__(self, tx_id: _Optional[bytes] = ...) -> None: ...

class GrantStateRequest(_message.Message):
    __slots__ = ("ledger", "issuer", "digest")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    issuer: str
    digest: bytes
    def __init__(self, ledger: _Optional[str] = ..., issuer: _Optional[str] = ..., digest: _Optional[bytes] = ...) -> None: ...

class GrantStateReply(_message.Message):
    __slots__ = ("registered_ms", "revoked_ms", "registration")
    REGISTERED_MS_FIELD_NUMBER: _ClassVar[int]
    REVOKED_MS_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    registered_ms: int
    revoked_ms: int
    registration: bytes
    def __init__(self, registered_ms: _Optional[int] = ..., revoked_ms: _Optional[int] = ..., registration: _Optional[bytes] = ...) -> None: ...

class AppendCustodyHeadRequest(_message.Message):
    __slots__ = ("ledger", "checkpoint", "old_size", "consistency")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    OLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    checkpoint: bytes
    old_size: int
    consistency: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, ledger: _Optional[str] = ..., checkpoint: _Optional[bytes] = ..., old_size: _Optional[int] = ..., consistency: _Optional[_Iterable[bytes]] = ...) -> None: ...

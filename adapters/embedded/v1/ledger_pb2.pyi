from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HeadRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class HeadReply(_message.Message):
    __slots__ = ("ledger", "height", "block_hash", "final_height")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_HASH_FIELD_NUMBER: _ClassVar[int]
    FINAL_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    height: int
    block_hash: bytes
    final_height: int
    def __init__(self, ledger: _Optional[str] = ..., height: _Optional[int] = ..., block_hash: _Optional[bytes] = ..., final_height: _Optional[int] = ...) -> None: ...

class BlocksRequest(_message.Message):
    __slots__ = ("start",)
    START_FIELD_NUMBER: _ClassVar[int]
    start: int
    def __init__(self, start: _Optional[int] = ...) -> None: ...

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
    anchors: _containers.RepeatedCompositeFieldContainer[Fact]
    final_height: int
    def __init__(self, height: _Optional[int] = ..., block_hash: _Optional[bytes] = ..., parent_hash: _Optional[bytes] = ..., time_ms: _Optional[int] = ..., anchors: _Optional[_Iterable[_Union[Fact, _Mapping]]] = ..., final_height: _Optional[int] = ...) -> None: ...

class Fact(_message.Message):
    __slots__ = ("origin", "size", "root", "height", "block_hash", "tx_id", "time_ms")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    BLOCK_HASH_FIELD_NUMBER: _ClassVar[int]
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    origin: str
    size: int
    root: bytes
    height: int
    block_hash: bytes
    tx_id: bytes
    time_ms: int
    def __init__(self, origin: _Optional[str] = ..., size: _Optional[int] = ..., root: _Optional[bytes] = ..., height: _Optional[int] = ..., block_hash: _Optional[bytes] = ..., tx_id: _Optional[bytes] = ..., time_ms: _Optional[int] = ...) -> None: ...

class AnchorRequest(_message.Message):
    __slots__ = ("origin", "size", "root")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    origin: str
    size: int
    root: bytes
    def __init__(self, origin: _Optional[str] = ..., size: _Optional[int] = ..., root: _Optional[bytes] = ...) -> None: ...

class SubmitCheckpointRequest(_message.Message):
    __slots__ = ("checkpoint", "old_size", "consistency", "source_ledger", "source_kind", "source_proof", "attempt")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    OLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LEDGER_FIELD_NUMBER: _ClassVar[int]
    SOURCE_KIND_FIELD_NUMBER: _ClassVar[int]
    SOURCE_PROOF_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    checkpoint: bytes
    old_size: int
    consistency: _containers.RepeatedScalarFieldContainer[bytes]
    source_ledger: str
    source_kind: str
    source_proof: bytes
    attempt: int
    def __init__(self, checkpoint: _Optional[bytes] = ..., old_size: _Optional[int] = ..., consistency: _Optional[_Iterable[bytes]] = ..., source_ledger: _Optional[str] = ..., source_kind: _Optional[str] = ..., source_proof: _Optional[bytes] = ..., attempt: _Optional[int] = ...) -> None: ...

class RecordGrantRequest(_message.Message):
    __slots__ = ("statement",)
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    statement: bytes
    def __init__(self, statement: _Optional[bytes] = ...) -> None: ...

class AppendCustodyRequest(_message.Message):
    __slots__ = ("checkpoint", "old_size", "consistency")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    OLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    checkpoint: bytes
    old_size: int
    consistency: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, checkpoint: _Optional[bytes] = ..., old_size: _Optional[int] = ..., consistency: _Optional[_Iterable[bytes]] = ...) -> None: ...

class TransactionReply(_message.Message):
    __slots__ = ("tx_id",)
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    tx_id: bytes
    def __init__(self, tx_id: _Optional[bytes] = ...) -> None: ...

class FindRequest(_message.Message):
    __slots__ = ("origin", "size")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    origin: str
    size: int
    def __init__(self, origin: _Optional[str] = ..., size: _Optional[int] = ...) -> None: ...

class LatestRequest(_message.Message):
    __slots__ = ("origin",)
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    origin: str
    def __init__(self, origin: _Optional[str] = ...) -> None: ...

class FindReply(_message.Message):
    __slots__ = ("found", "fact")
    FOUND_FIELD_NUMBER: _ClassVar[int]
    FACT_FIELD_NUMBER: _ClassVar[int]
    found: bool
    fact: Fact
    def __init__(self, found: _Optional[bool] = ..., fact: _Optional[_Union[Fact, _Mapping]] = ...) -> None: ...

class GrantStateRequest(_message.Message):
    __slots__ = ("digest", "issuer")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    issuer: str
    def __init__(self, digest: _Optional[bytes] = ..., issuer: _Optional[str] = ...) -> None: ...

class GrantStateReply(_message.Message):
    __slots__ = ("registered_ms", "revoked_ms", "registration")
    REGISTERED_MS_FIELD_NUMBER: _ClassVar[int]
    REVOKED_MS_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    registered_ms: int
    revoked_ms: int
    registration: bytes
    def __init__(self, registered_ms: _Optional[int] = ..., revoked_ms: _Optional[int] = ..., registration: _Optional[bytes] = ...) -> None: ...

class ProveRequest(_message.Message):
    __slots__ = ("tx_id",)
    TX_ID_FIELD_NUMBER: _ClassVar[int]
    tx_id: bytes
    def __init__(self, tx_id: _Optional[bytes] = ...) -> None: ...

class ProveReply(_message.Message):
    __slots__ = ("body",)
    BODY_FIELD_NUMBER: _ClassVar[int]
    body: bytes
    def __init__(self, body: _Optional[bytes] = ...) -> None: ...

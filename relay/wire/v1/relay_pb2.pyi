from relay.wire.v1 import log_pb2 as _log_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PushLogRequest(_message.Message):
    __slots__ = ("offer", "package")
    OFFER_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    offer: LogOffer
    package: _log_pb2.Package
    def __init__(self, offer: _Optional[_Union[LogOffer, _Mapping]] = ..., package: _Optional[_Union[_log_pb2.Package, _Mapping]] = ...) -> None: ...

class LogOffer(_message.Message):
    __slots__ = ("checkpoint",)
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    checkpoint: bytes
    def __init__(self, checkpoint: _Optional[bytes] = ...) -> None: ...

class PushLogReply(_message.Message):
    __slots__ = ("next_index",)
    NEXT_INDEX_FIELD_NUMBER: _ClassVar[int]
    next_index: int
    def __init__(self, next_index: _Optional[int] = ...) -> None: ...

class ReceiptsRequest(_message.Message):
    __slots__ = ("origin", "above_size")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    ABOVE_SIZE_FIELD_NUMBER: _ClassVar[int]
    origin: str
    above_size: int
    def __init__(self, origin: _Optional[str] = ..., above_size: _Optional[int] = ...) -> None: ...

class ReceiptRow(_message.Message):
    __slots__ = ("size", "root", "evidence", "checkpoint")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    size: int
    root: bytes
    evidence: _log_pb2.LedgerEvidence
    checkpoint: bytes
    def __init__(self, size: _Optional[int] = ..., root: _Optional[bytes] = ..., evidence: _Optional[_Union[_log_pb2.LedgerEvidence, _Mapping]] = ..., checkpoint: _Optional[bytes] = ...) -> None: ...

class ReceiptsReply(_message.Message):
    __slots__ = ("receipts",)
    RECEIPTS_FIELD_NUMBER: _ClassVar[int]
    receipts: _containers.RepeatedCompositeFieldContainer[ReceiptRow]
    def __init__(self, receipts: _Optional[_Iterable[_Union[ReceiptRow, _Mapping]]] = ...) -> None: ...

class ReadLogRequest(_message.Message):
    __slots__ = ("origin", "start", "end")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    origin: str
    start: int
    end: int
    def __init__(self, origin: _Optional[str] = ..., start: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class LogEntries(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: bytes
    def __init__(self, entries: _Optional[bytes] = ...) -> None: ...

class RecordGrantRequest(_message.Message):
    __slots__ = ("statement",)
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    statement: bytes
    def __init__(self, statement: _Optional[bytes] = ...) -> None: ...

class RecordGrantReply(_message.Message):
    __slots__ = ("evidence",)
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    evidence: _log_pb2.LedgerEvidence
    def __init__(self, evidence: _Optional[_Union[_log_pb2.LedgerEvidence, _Mapping]] = ...) -> None: ...

class RequestsRequest(_message.Message):
    __slots__ = ("origin",)
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    origin: str
    def __init__(self, origin: _Optional[str] = ...) -> None: ...

class RoutedRequest(_message.Message):
    __slots__ = ("request_id", "request", "trace")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    request_id: bytes
    request: bytes
    trace: str
    def __init__(self, request_id: _Optional[bytes] = ..., request: _Optional[bytes] = ..., trace: _Optional[str] = ...) -> None: ...

class AnswerChunk(_message.Message):
    __slots__ = ("start", "chunk", "refusal", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: AnswerStart
    chunk: bytes
    refusal: AnswerRefusal
    end: AnswerEnd
    def __init__(self, start: _Optional[_Union[AnswerStart, _Mapping]] = ..., chunk: _Optional[bytes] = ..., refusal: _Optional[_Union[AnswerRefusal, _Mapping]] = ..., end: _Optional[_Union[AnswerEnd, _Mapping]] = ...) -> None: ...

class AnswerEnd(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AnswerStart(_message.Message):
    __slots__ = ("request_id", "header")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    request_id: bytes
    header: bytes
    def __init__(self, request_id: _Optional[bytes] = ..., header: _Optional[bytes] = ...) -> None: ...

class AnswerRefusal(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: bytes
    def __init__(self, request_id: _Optional[bytes] = ...) -> None: ...

class AnswerReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RetrieveRequest(_message.Message):
    __slots__ = ("custodian", "request")
    CUSTODIAN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    custodian: str
    request: bytes
    def __init__(self, custodian: _Optional[str] = ..., request: _Optional[bytes] = ...) -> None: ...

class SealedChunk(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: bytes
    chunk: bytes
    def __init__(self, header: _Optional[bytes] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class RelayStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ItemCount(_message.Message):
    __slots__ = ("state", "items")
    STATE_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    state: str
    items: int
    def __init__(self, state: _Optional[str] = ..., items: _Optional[int] = ...) -> None: ...

class OriginStatus(_message.Message):
    __slots__ = ("origin", "mirrored_size", "confirmed_size", "halted", "halt_reason")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    MIRRORED_SIZE_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_SIZE_FIELD_NUMBER: _ClassVar[int]
    HALTED_FIELD_NUMBER: _ClassVar[int]
    HALT_REASON_FIELD_NUMBER: _ClassVar[int]
    origin: str
    mirrored_size: int
    confirmed_size: int
    halted: bool
    halt_reason: str
    def __init__(self, origin: _Optional[str] = ..., mirrored_size: _Optional[int] = ..., confirmed_size: _Optional[int] = ..., halted: _Optional[bool] = ..., halt_reason: _Optional[str] = ...) -> None: ...

class RelayStatusReply(_message.Message):
    __slots__ = ("counts", "origins", "scanned_height", "final_height", "custodians_connected", "last_problem", "jobs")
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    ORIGINS_FIELD_NUMBER: _ClassVar[int]
    SCANNED_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    FINAL_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    CUSTODIANS_CONNECTED_FIELD_NUMBER: _ClassVar[int]
    LAST_PROBLEM_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    counts: _containers.RepeatedCompositeFieldContainer[ItemCount]
    origins: _containers.RepeatedCompositeFieldContainer[OriginStatus]
    scanned_height: int
    final_height: int
    custodians_connected: _containers.RepeatedScalarFieldContainer[str]
    last_problem: str
    jobs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, counts: _Optional[_Iterable[_Union[ItemCount, _Mapping]]] = ..., origins: _Optional[_Iterable[_Union[OriginStatus, _Mapping]]] = ..., scanned_height: _Optional[int] = ..., final_height: _Optional[int] = ..., custodians_connected: _Optional[_Iterable[str]] = ..., last_problem: _Optional[str] = ..., jobs: _Optional[_Iterable[str]] = ...) -> None: ...

class ListItemsRequest(_message.Message):
    __slots__ = ("origin", "limit")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    origin: str
    limit: int
    def __init__(self, origin: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ItemRow(_message.Message):
    __slots__ = ("id", "ledger", "origin", "size", "root", "height", "state", "attempt", "reason")
    ID_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    ledger: str
    origin: str
    size: int
    root: bytes
    height: int
    state: str
    attempt: int
    reason: str
    def __init__(self, id: _Optional[bytes] = ..., ledger: _Optional[str] = ..., origin: _Optional[str] = ..., size: _Optional[int] = ..., root: _Optional[bytes] = ..., height: _Optional[int] = ..., state: _Optional[str] = ..., attempt: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class ListItemsReply(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[ItemRow]
    def __init__(self, items: _Optional[_Iterable[_Union[ItemRow, _Mapping]]] = ...) -> None: ...

class ItemRequest(_message.Message):
    __slots__ = ("id", "reason")
    ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    reason: str
    def __init__(self, id: _Optional[bytes] = ..., reason: _Optional[str] = ...) -> None: ...

class OriginRequest(_message.Message):
    __slots__ = ("origin", "reason")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    origin: str
    reason: str
    def __init__(self, origin: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class OriginReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ExhibitPiece(_message.Message):
    __slots__ = ("name", "data")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    name: str
    data: bytes
    def __init__(self, name: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class ExhibitRow(_message.Message):
    __slots__ = ("number", "reason", "pieces", "resumed")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PIECES_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    number: int
    reason: str
    pieces: _containers.RepeatedCompositeFieldContainer[ExhibitPiece]
    resumed: str
    def __init__(self, number: _Optional[int] = ..., reason: _Optional[str] = ..., pieces: _Optional[_Iterable[_Union[ExhibitPiece, _Mapping]]] = ..., resumed: _Optional[str] = ...) -> None: ...

class ExhibitsReply(_message.Message):
    __slots__ = ("exhibits",)
    EXHIBITS_FIELD_NUMBER: _ClassVar[int]
    exhibits: _containers.RepeatedCompositeFieldContainer[ExhibitRow]
    def __init__(self, exhibits: _Optional[_Iterable[_Union[ExhibitRow, _Mapping]]] = ...) -> None: ...

class RescanRequest(_message.Message):
    __slots__ = ("ledger", "from_start")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    FROM_START_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    from_start: bool
    def __init__(self, ledger: _Optional[str] = ..., from_start: _Optional[bool] = ...) -> None: ...

class RescanRow(_message.Message):
    __slots__ = ("ledger", "blocks", "height", "missing")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    blocks: int
    height: int
    missing: int
    def __init__(self, ledger: _Optional[str] = ..., blocks: _Optional[int] = ..., height: _Optional[int] = ..., missing: _Optional[int] = ...) -> None: ...

class RescanReply(_message.Message):
    __slots__ = ("ledgers",)
    LEDGERS_FIELD_NUMBER: _ClassVar[int]
    ledgers: _containers.RepeatedCompositeFieldContainer[RescanRow]
    def __init__(self, ledgers: _Optional[_Iterable[_Union[RescanRow, _Mapping]]] = ...) -> None: ...

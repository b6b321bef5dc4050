from relay.wire.v1 import log_pb2 as _log_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CustodyFilter(_message.Message):
    __slots__ = ("action", "outcome", "actor", "dossier", "grant", "request", "from_ms", "to_ms")
    ACTION_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    DOSSIER_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    FROM_MS_FIELD_NUMBER: _ClassVar[int]
    TO_MS_FIELD_NUMBER: _ClassVar[int]
    action: str
    outcome: str
    actor: str
    dossier: str
    grant: str
    request: str
    from_ms: int
    to_ms: int
    def __init__(self, action: _Optional[str] = ..., outcome: _Optional[str] = ..., actor: _Optional[str] = ..., dossier: _Optional[str] = ..., grant: _Optional[str] = ..., request: _Optional[str] = ..., from_ms: _Optional[int] = ..., to_ms: _Optional[int] = ...) -> None: ...

class FindCustodyRequest(_message.Message):
    __slots__ = ("filter", "start", "limit")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    filter: CustodyFilter
    start: int
    limit: int
    def __init__(self, filter: _Optional[_Union[CustodyFilter, _Mapping]] = ..., start: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class CustodyRow(_message.Message):
    __slots__ = ("index", "event", "entry", "proof")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    index: int
    event: bytes
    entry: bytes
    proof: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, index: _Optional[int] = ..., event: _Optional[bytes] = ..., entry: _Optional[bytes] = ..., proof: _Optional[_Iterable[bytes]] = ...) -> None: ...

class FindCustodyReply(_message.Message):
    __slots__ = ("rows", "next")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[CustodyRow]
    next: int
    def __init__(self, rows: _Optional[_Iterable[_Union[CustodyRow, _Mapping]]] = ..., next: _Optional[int] = ...) -> None: ...

class ReadCustodyRequest(_message.Message):
    __slots__ = ("filter", "proofs")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PROOFS_FIELD_NUMBER: _ClassVar[int]
    filter: CustodyFilter
    proofs: bool
    def __init__(self, filter: _Optional[_Union[CustodyFilter, _Mapping]] = ..., proofs: _Optional[bool] = ...) -> None: ...

class CustodyHead(_message.Message):
    __slots__ = ("keeper", "checkpoint", "ledger", "ledger_size", "consistency", "ledger_problem")
    KEEPER_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    LEDGER_SIZE_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    LEDGER_PROBLEM_FIELD_NUMBER: _ClassVar[int]
    keeper: str
    checkpoint: bytes
    ledger: _log_pb2.LedgerEvidence
    ledger_size: int
    consistency: _containers.RepeatedScalarFieldContainer[bytes]
    ledger_problem: str
    def __init__(self, keeper: _Optional[str] = ..., checkpoint: _Optional[bytes] = ..., ledger: _Optional[_Union[_log_pb2.LedgerEvidence, _Mapping]] = ..., ledger_size: _Optional[int] = ..., consistency: _Optional[_Iterable[bytes]] = ..., ledger_problem: _Optional[str] = ...) -> None: ...

class CustodyRows(_message.Message):
    __slots__ = ("rows",)
    ROWS_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[CustodyRow]
    def __init__(self, rows: _Optional[_Iterable[_Union[CustodyRow, _Mapping]]] = ...) -> None: ...

class CustodyPart(_message.Message):
    __slots__ = ("head", "rows")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    head: CustodyHead
    rows: CustodyRows
    def __init__(self, head: _Optional[_Union[CustodyHead, _Mapping]] = ..., rows: _Optional[_Union[CustodyRows, _Mapping]] = ...) -> None: ...

class SeenCustodyRequest(_message.Message):
    __slots__ = ("dossier",)
    DOSSIER_FIELD_NUMBER: _ClassVar[int]
    dossier: str
    def __init__(self, dossier: _Optional[str] = ...) -> None: ...

class SeenCustodyBegin(_message.Message):
    __slots__ = ("dossier", "head")
    DOSSIER_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    dossier: str
    head: CustodyHead
    def __init__(self, dossier: _Optional[str] = ..., head: _Optional[_Union[CustodyHead, _Mapping]] = ...) -> None: ...

class SeenCustodyPart(_message.Message):
    __slots__ = ("begin", "row")
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    begin: SeenCustodyBegin
    row: SeenCustodyRow
    def __init__(self, begin: _Optional[_Union[SeenCustodyBegin, _Mapping]] = ..., row: _Optional[_Union[SeenCustodyRow, _Mapping]] = ...) -> None: ...

class SeenCustodyRow(_message.Message):
    __slots__ = ("row", "court", "case_number", "purpose")
    ROW_FIELD_NUMBER: _ClassVar[int]
    COURT_FIELD_NUMBER: _ClassVar[int]
    CASE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    row: CustodyRow
    court: str
    case_number: str
    purpose: str
    def __init__(self, row: _Optional[_Union[CustodyRow, _Mapping]] = ..., court: _Optional[str] = ..., case_number: _Optional[str] = ..., purpose: _Optional[str] = ...) -> None: ...

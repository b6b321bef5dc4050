from relay.wire.v1 import log_pb2 as _log_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LatestRequest(_message.Message):
    __slots__ = ("origin",)
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    origin: str
    def __init__(self, origin: _Optional[str] = ...) -> None: ...

class LatestReply(_message.Message):
    __slots__ = ("size", "next_index", "cosigned")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    NEXT_INDEX_FIELD_NUMBER: _ClassVar[int]
    COSIGNED_FIELD_NUMBER: _ClassVar[int]
    size: int
    next_index: int
    cosigned: bytes
    def __init__(self, size: _Optional[int] = ..., next_index: _Optional[int] = ..., cosigned: _Optional[bytes] = ...) -> None: ...

class AddCheckpointRequest(_message.Message):
    __slots__ = ("checkpoint", "old_size", "consistency", "anchor")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    OLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    ANCHOR_FIELD_NUMBER: _ClassVar[int]
    checkpoint: bytes
    old_size: int
    consistency: _containers.RepeatedScalarFieldContainer[bytes]
    anchor: _log_pb2.LedgerEvidence
    def __init__(self, checkpoint: _Optional[bytes] = ..., old_size: _Optional[int] = ..., consistency: _Optional[_Iterable[bytes]] = ..., anchor: _Optional[_Union[_log_pb2.LedgerEvidence, _Mapping]] = ...) -> None: ...

class AddCheckpointReply(_message.Message):
    __slots__ = ("next_index", "cosigned")
    NEXT_INDEX_FIELD_NUMBER: _ClassVar[int]
    COSIGNED_FIELD_NUMBER: _ClassVar[int]
    next_index: int
    cosigned: bytes
    def __init__(self, next_index: _Optional[int] = ..., cosigned: _Optional[bytes] = ...) -> None: ...

class AddEntriesRequest(_message.Message):
    __slots__ = ("target", "package")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    target: EntriesTarget
    package: _log_pb2.Package
    def __init__(self, target: _Optional[_Union[EntriesTarget, _Mapping]] = ..., package: _Optional[_Union[_log_pb2.Package, _Mapping]] = ...) -> None: ...

class EntriesTarget(_message.Message):
    __slots__ = ("origin", "size", "announcement")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ANNOUNCEMENT_FIELD_NUMBER: _ClassVar[int]
    origin: str
    size: int
    announcement: AddCheckpointRequest
    def __init__(self, origin: _Optional[str] = ..., size: _Optional[int] = ..., announcement: _Optional[_Union[AddCheckpointRequest, _Mapping]] = ...) -> None: ...

class AddEntriesReply(_message.Message):
    __slots__ = ("next_index", "cosigned")
    NEXT_INDEX_FIELD_NUMBER: _ClassVar[int]
    COSIGNED_FIELD_NUMBER: _ClassVar[int]
    next_index: int
    cosigned: bytes
    def __init__(self, next_index: _Optional[int] = ..., cosigned: _Optional[bytes] = ...) -> None: ...

class DeskRetrieveRequest(_message.Message):
    __slots__ = ("grant", "dossier", "officer", "purpose", "request_id")
    GRANT_FIELD_NUMBER: _ClassVar[int]
    DOSSIER_FIELD_NUMBER: _ClassVar[int]
    OFFICER_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    grant: bytes
    dossier: str
    officer: str
    purpose: str
    request_id: bytes
    def __init__(self, grant: _Optional[bytes] = ..., dossier: _Optional[str] = ..., officer: _Optional[str] = ..., purpose: _Optional[str] = ..., request_id: _Optional[bytes] = ...) -> None: ...

class DeskRetrieveEvent(_message.Message):
    __slots__ = ("progress", "record", "done")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    progress: RetrieveProgress
    record: RecordVerdict
    done: RetrieveDone
    def __init__(self, progress: _Optional[_Union[RetrieveProgress, _Mapping]] = ..., record: _Optional[_Union[RecordVerdict, _Mapping]] = ..., done: _Optional[_Union[RetrieveDone, _Mapping]] = ...) -> None: ...

class RetrieveProgress(_message.Message):
    __slots__ = ("records", "records_total", "bytes", "bytes_total")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    RECORDS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    BYTES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    records: int
    records_total: int
    bytes: int
    bytes_total: int
    def __init__(self, records: _Optional[int] = ..., records_total: _Optional[int] = ..., bytes: _Optional[int] = ..., bytes_total: _Optional[int] = ...) -> None: ...

class RecordVerdict(_message.Message):
    __slots__ = ("seq", "kind", "verdict", "reason")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    seq: int
    kind: str
    verdict: str
    reason: str
    def __init__(self, seq: _Optional[int] = ..., kind: _Optional[str] = ..., verdict: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RetrieveDone(_message.Message):
    __slots__ = ("bundle_id", "bundle_bytes", "verdict", "attempts")
    BUNDLE_ID_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    bundle_id: str
    bundle_bytes: int
    verdict: bytes
    attempts: int
    def __init__(self, bundle_id: _Optional[str] = ..., bundle_bytes: _Optional[int] = ..., verdict: _Optional[bytes] = ..., attempts: _Optional[int] = ...) -> None: ...

class FetchBundleRequest(_message.Message):
    __slots__ = ("bundle_id",)
    BUNDLE_ID_FIELD_NUMBER: _ClassVar[int]
    bundle_id: str
    def __init__(self, bundle_id: _Optional[str] = ...) -> None: ...

class BundleChunk(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class CourtStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CourtOriginStatus(_message.Message):
    __slots__ = ("origin", "mirrored_size", "receipted_size")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    MIRRORED_SIZE_FIELD_NUMBER: _ClassVar[int]
    RECEIPTED_SIZE_FIELD_NUMBER: _ClassVar[int]
    origin: str
    mirrored_size: int
    receipted_size: int
    def __init__(self, origin: _Optional[str] = ..., mirrored_size: _Optional[int] = ..., receipted_size: _Optional[int] = ...) -> None: ...

class CourtStatusReply(_message.Message):
    __slots__ = ("origins", "bundles", "retrievals", "last_problem")
    ORIGINS_FIELD_NUMBER: _ClassVar[int]
    BUNDLES_FIELD_NUMBER: _ClassVar[int]
    RETRIEVALS_FIELD_NUMBER: _ClassVar[int]
    LAST_PROBLEM_FIELD_NUMBER: _ClassVar[int]
    origins: _containers.RepeatedCompositeFieldContainer[CourtOriginStatus]
    bundles: int
    retrievals: int
    last_problem: str
    def __init__(self, origins: _Optional[_Iterable[_Union[CourtOriginStatus, _Mapping]]] = ..., bundles: _Optional[int] = ..., retrievals: _Optional[int] = ..., last_problem: _Optional[str] = ...) -> None: ...

class PublishStatementRequest(_message.Message):
    __slots__ = ("statement",)
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    statement: bytes
    def __init__(self, statement: _Optional[bytes] = ...) -> None: ...

class PublishStatementReply(_message.Message):
    __slots__ = ("ledger", "version", "digest")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    version: int
    digest: bytes
    def __init__(self, ledger: _Optional[str] = ..., version: _Optional[int] = ..., digest: _Optional[bytes] = ...) -> None: ...

class IssueReportRequest(_message.Message):
    __slots__ = ("bundle_id", "language", "profile")
    BUNDLE_ID_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    bundle_id: str
    language: str
    profile: str
    def __init__(self, bundle_id: _Optional[str] = ..., language: _Optional[str] = ..., profile: _Optional[str] = ...) -> None: ...

class IssueReportReply(_message.Message):
    __slots__ = ("number", "url")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    number: str
    url: str
    def __init__(self, number: _Optional[str] = ..., url: _Optional[str] = ...) -> None: ...

class MakeLinkRequest(_message.Message):
    __slots__ = ("role", "name")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    role: str
    name: str
    def __init__(self, role: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class MakeLinkReply(_message.Message):
    __slots__ = ("url",)
    URL_FIELD_NUMBER: _ClassVar[int]
    url: str
    def __init__(self, url: _Optional[str] = ...) -> None: ...

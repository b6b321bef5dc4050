from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DepositRequest(_message.Message):
    __slots__ = ("begin", "record", "payload", "end")
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    begin: BeginDossier
    record: RecordLine
    payload: PayloadChunk
    end: EndDossier
    def __init__(self, begin: _Optional[_Union[BeginDossier, _Mapping]] = ..., record: _Optional[_Union[RecordLine, _Mapping]] = ..., payload: _Optional[_Union[PayloadChunk, _Mapping]] = ..., end: _Optional[_Union[EndDossier, _Mapping]] = ...) -> None: ...

class BeginDossier(_message.Message):
    __slots__ = ("reference",)
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    reference: str
    def __init__(self, reference: _Optional[str] = ...) -> None: ...

class RecordLine(_message.Message):
    __slots__ = ("line", "json")
    LINE_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    line: int
    json: bytes
    def __init__(self, line: _Optional[int] = ..., json: _Optional[bytes] = ...) -> None: ...

class PayloadChunk(_message.Message):
    __slots__ = ("data", "last")
    DATA_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    last: bool
    def __init__(self, data: _Optional[bytes] = ..., last: _Optional[bool] = ...) -> None: ...

class EndDossier(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DepositReply(_message.Message):
    __slots__ = ("stored", "refused")
    STORED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    stored: DossierStored
    refused: DossierRefused
    def __init__(self, stored: _Optional[_Union[DossierStored, _Mapping]] = ..., refused: _Optional[_Union[DossierRefused, _Mapping]] = ...) -> None: ...

class DossierStored(_message.Message):
    __slots__ = ("reference", "dossier", "indices", "already_stored")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    DOSSIER_FIELD_NUMBER: _ClassVar[int]
    INDICES_FIELD_NUMBER: _ClassVar[int]
    ALREADY_STORED_FIELD_NUMBER: _ClassVar[int]
    reference: str
    dossier: str
    indices: _containers.RepeatedScalarFieldContainer[int]
    already_stored: int
    def __init__(self, reference: _Optional[str] = ..., dossier: _Optional[str] = ..., indices: _Optional[_Iterable[int]] = ..., already_stored: _Optional[int] = ...) -> None: ...

class DossierRefused(_message.Message):
    __slots__ = ("reference", "line", "field", "reason")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    reference: str
    line: int
    field: str
    reason: str
    def __init__(self, reference: _Optional[str] = ..., line: _Optional[int] = ..., field: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class AnchorNowRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AnchorNowReply(_message.Message):
    __slots__ = ("size", "root", "height")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    size: int
    root: bytes
    height: int
    def __init__(self, size: _Optional[int] = ..., root: _Optional[bytes] = ..., height: _Optional[int] = ...) -> None: ...

class IssueGrantRequest(_message.Message):
    __slots__ = ("court", "case_number", "dossiers", "kinds", "mode", "purpose", "not_before_s", "expires_s", "uses", "profile", "members", "purpose_class", "request_id")
    COURT_FIELD_NUMBER: _ClassVar[int]
    CASE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    DOSSIERS_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_S_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_S_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_CLASS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    court: str
    case_number: str
    dossiers: _containers.RepeatedScalarFieldContainer[str]
    kinds: _containers.RepeatedScalarFieldContainer[str]
    mode: str
    purpose: str
    not_before_s: int
    expires_s: int
    uses: int
    profile: str
    members: _containers.RepeatedScalarFieldContainer[str]
    purpose_class: str
    request_id: bytes
    def __init__(self, court: _Optional[str] = ..., case_number: _Optional[str] = ..., dossiers: _Optional[_Iterable[str]] = ..., kinds: _Optional[_Iterable[str]] = ..., mode: _Optional[str] = ..., purpose: _Optional[str] = ..., not_before_s: _Optional[int] = ..., expires_s: _Optional[int] = ..., uses: _Optional[int] = ..., profile: _Optional[str] = ..., members: _Optional[_Iterable[str]] = ..., purpose_class: _Optional[str] = ..., request_id: _Optional[bytes] = ...) -> None: ...

class IssueGrantReply(_message.Message):
    __slots__ = ("grant", "digest")
    GRANT_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    grant: bytes
    digest: bytes
    def __init__(self, grant: _Optional[bytes] = ..., digest: _Optional[bytes] = ...) -> None: ...

class ListGrantsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GrantRow(_message.Message):
    __slots__ = ("digest", "grant", "uses_spent", "registered_ms", "revoked_ms")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    USES_SPENT_FIELD_NUMBER: _ClassVar[int]
    REGISTERED_MS_FIELD_NUMBER: _ClassVar[int]
    REVOKED_MS_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    grant: bytes
    uses_spent: int
    registered_ms: int
    revoked_ms: int
    def __init__(self, digest: _Optional[bytes] = ..., grant: _Optional[bytes] = ..., uses_spent: _Optional[int] = ..., registered_ms: _Optional[int] = ..., revoked_ms: _Optional[int] = ...) -> None: ...

class ListGrantsReply(_message.Message):
    __slots__ = ("grants",)
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    grants: _containers.RepeatedCompositeFieldContainer[GrantRow]
    def __init__(self, grants: _Optional[_Iterable[_Union[GrantRow, _Mapping]]] = ...) -> None: ...

class RevokeGrantRequest(_message.Message):
    __slots__ = ("digest", "reason")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    reason: str
    def __init__(self, digest: _Optional[bytes] = ..., reason: _Optional[str] = ...) -> None: ...

class RevokeGrantReply(_message.Message):
    __slots__ = ("revoked_ms",)
    REVOKED_MS_FIELD_NUMBER: _ClassVar[int]
    revoked_ms: int
    def __init__(self, revoked_ms: _Optional[int] = ...) -> None: ...

class CustodianStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CustodianStatusReply(_message.Message):
    __slots__ = ("origin", "log_size", "anchored_size", "pushed_size", "confirmed_size", "dossiers", "relay_connected", "last_problem")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    LOG_SIZE_FIELD_NUMBER: _ClassVar[int]
    ANCHORED_SIZE_FIELD_NUMBER: _ClassVar[int]
    PUSHED_SIZE_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_SIZE_FIELD_NUMBER: _ClassVar[int]
    DOSSIERS_FIELD_NUMBER: _ClassVar[int]
    RELAY_CONNECTED_FIELD_NUMBER: _ClassVar[int]
    LAST_PROBLEM_FIELD_NUMBER: _ClassVar[int]
    origin: str
    log_size: int
    anchored_size: int
    pushed_size: int
    confirmed_size: int
    dossiers: int
    relay_connected: bool
    last_problem: str
    def __init__(self, origin: _Optional[str] = ..., log_size: _Optional[int] = ..., anchored_size: _Optional[int] = ..., pushed_size: _Optional[int] = ..., confirmed_size: _Optional[int] = ..., dossiers: _Optional[int] = ..., relay_connected: _Optional[bool] = ..., last_problem: _Optional[str] = ...) -> None: ...

class ShowPolicyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ShowPolicyReply(_message.Message):
    __slots__ = ("policy", "digest", "classes")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    policy: str
    digest: bytes
    classes: _containers.RepeatedCompositeFieldContainer[RetentionClassRow]
    def __init__(self, policy: _Optional[str] = ..., digest: _Optional[bytes] = ..., classes: _Optional[_Iterable[_Union[RetentionClassRow, _Mapping]]] = ...) -> None: ...

class RetentionClassRow(_message.Message):
    __slots__ = ("name", "years", "jurisdiction", "source", "note", "kinds")
    NAME_FIELD_NUMBER: _ClassVar[int]
    YEARS_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    JURISDICTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    years: int
    jurisdiction: str
    source: str
    note: str
    kinds: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., years: _Optional[int] = ..., jurisdiction: _Optional[str] = ..., source: _Optional[str] = ..., note: _Optional[str] = ..., kinds: _Optional[_Iterable[str]] = ..., **kwargs) -> None: ...

class DossierRequest(_message.Message):
    __slots__ = ("dossier",)
    DOSSIER_FIELD_NUMBER: _ClassVar[int]
    dossier: str
    def __init__(self, dossier: _Optional[str] = ...) -> None: ...

class ListDueRequest(_message.Message):
    __slots__ = ("limit",)
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    limit: int
    def __init__(self, limit: _Optional[int] = ...) -> None: ...

class DossierRetentionReply(_message.Message):
    __slots__ = ("dossier", "reference", "holds", "grants", "records")
    DOSSIER_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    dossier: str
    reference: str
    holds: _containers.RepeatedCompositeFieldContainer[HoldRow]
    grants: _containers.RepeatedScalarFieldContainer[bytes]
    records: _containers.RepeatedCompositeFieldContainer[RetentionRow]
    def __init__(self, dossier: _Optional[str] = ..., reference: _Optional[str] = ..., holds: _Optional[_Iterable[_Union[HoldRow, _Mapping]]] = ..., grants: _Optional[_Iterable[bytes]] = ..., records: _Optional[_Iterable[_Union[RetentionRow, _Mapping]]] = ...) -> None: ...

class HoldRow(_message.Message):
    __slots__ = ("number", "reason", "authority", "placed_ms", "lifted_ms")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    PLACED_MS_FIELD_NUMBER: _ClassVar[int]
    LIFTED_MS_FIELD_NUMBER: _ClassVar[int]
    number: int
    reason: str
    authority: str
    placed_ms: int
    lifted_ms: int
    def __init__(self, number: _Optional[int] = ..., reason: _Optional[str] = ..., authority: _Optional[str] = ..., placed_ms: _Optional[int] = ..., lifted_ms: _Optional[int] = ...) -> None: ...

class RetentionRow(_message.Message):
    __slots__ = ("seq", "kind", "event_time_s", "retention", "due_s", "erased_s")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_S_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    DUE_S_FIELD_NUMBER: _ClassVar[int]
    ERASED_S_FIELD_NUMBER: _ClassVar[int]
    seq: int
    kind: str
    event_time_s: int
    retention: str
    due_s: int
    erased_s: int
    def __init__(self, seq: _Optional[int] = ..., kind: _Optional[str] = ..., event_time_s: _Optional[int] = ..., retention: _Optional[str] = ..., due_s: _Optional[int] = ..., erased_s: _Optional[int] = ...) -> None: ...

class PlaceHoldRequest(_message.Message):
    __slots__ = ("dossier", "reason", "authority")
    DOSSIER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    dossier: str
    reason: str
    authority: str
    def __init__(self, dossier: _Optional[str] = ..., reason: _Optional[str] = ..., authority: _Optional[str] = ...) -> None: ...

class PlaceHoldReply(_message.Message):
    __slots__ = ("number",)
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    number: int
    def __init__(self, number: _Optional[int] = ...) -> None: ...

class ReleaseHoldRequest(_message.Message):
    __slots__ = ("dossier", "number", "reason", "authority")
    DOSSIER_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    dossier: str
    number: int
    reason: str
    authority: str
    def __init__(self, dossier: _Optional[str] = ..., number: _Optional[int] = ..., reason: _Optional[str] = ..., authority: _Optional[str] = ...) -> None: ...

class ReleaseHoldReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class EraseRequest(_message.Message):
    __slots__ = ("dossier", "seqs", "due", "basis", "despite_grants")
    DOSSIER_FIELD_NUMBER: _ClassVar[int]
    SEQS_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    DESPITE_GRANTS_FIELD_NUMBER: _ClassVar[int]
    dossier: str
    seqs: _containers.RepeatedScalarFieldContainer[int]
    due: bool
    basis: str
    despite_grants: bool
    def __init__(self, dossier: _Optional[str] = ..., seqs: _Optional[_Iterable[int]] = ..., due: _Optional[bool] = ..., basis: _Optional[str] = ..., despite_grants: _Optional[bool] = ...) -> None: ...

class PlanErasureReply(_message.Message):
    __slots__ = ("dossier", "reference", "whole", "seqs", "refusals")
    DOSSIER_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    WHOLE_FIELD_NUMBER: _ClassVar[int]
    SEQS_FIELD_NUMBER: _ClassVar[int]
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    dossier: str
    reference: str
    whole: bool
    seqs: _containers.RepeatedScalarFieldContainer[int]
    refusals: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, dossier: _Optional[str] = ..., reference: _Optional[str] = ..., whole: _Optional[bool] = ..., seqs: _Optional[_Iterable[int]] = ..., refusals: _Optional[_Iterable[str]] = ...) -> None: ...

class TombstoneChunk(_message.Message):
    __slots__ = ("data", "last", "done_ms")
    DATA_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    DONE_MS_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    last: bool
    done_ms: int
    def __init__(self, data: _Optional[bytes] = ..., last: _Optional[bool] = ..., done_ms: _Optional[int] = ...) -> None: ...

class ReportChunk(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OverviewRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class OverviewReply(_message.Message):
    __slots__ = ("role", "identity", "version", "taken_ms", "ready", "stopping", "problem", "components", "origins", "credentials", "figures")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TAKEN_MS_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    STOPPING_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    ORIGINS_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    role: str
    identity: str
    version: str
    taken_ms: int
    ready: bool
    stopping: bool
    problem: str
    components: _containers.RepeatedCompositeFieldContainer[ComponentView]
    origins: _containers.RepeatedCompositeFieldContainer[OriginView]
    credentials: _containers.RepeatedCompositeFieldContainer[CredentialView]
    figures: _containers.RepeatedCompositeFieldContainer[FigureView]
    def __init__(self, role: _Optional[str] = ..., identity: _Optional[str] = ..., version: _Optional[str] = ..., taken_ms: _Optional[int] = ..., ready: _Optional[bool] = ..., stopping: _Optional[bool] = ..., problem: _Optional[str] = ..., components: _Optional[_Iterable[_Union[ComponentView, _Mapping]]] = ..., origins: _Optional[_Iterable[_Union[OriginView, _Mapping]]] = ..., credentials: _Optional[_Iterable[_Union[CredentialView, _Mapping]]] = ..., figures: _Optional[_Iterable[_Union[FigureView, _Mapping]]] = ...) -> None: ...

class ComponentView(_message.Message):
    __slots__ = ("kind", "name", "problem", "needed", "since_ms")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    NEEDED_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    name: str
    problem: str
    needed: bool
    since_ms: int
    def __init__(self, kind: _Optional[str] = ..., name: _Optional[str] = ..., problem: _Optional[str] = ..., needed: _Optional[bool] = ..., since_ms: _Optional[int] = ...) -> None: ...

class OriginView(_message.Message):
    __slots__ = ("origin", "latest", "final", "proven", "compared", "held", "confirmed", "backlog", "oldest_s", "quarantined", "halted")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    LATEST_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    PROVEN_FIELD_NUMBER: _ClassVar[int]
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    BACKLOG_FIELD_NUMBER: _ClassVar[int]
    OLDEST_S_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_FIELD_NUMBER: _ClassVar[int]
    HALTED_FIELD_NUMBER: _ClassVar[int]
    origin: str
    latest: int
    final: int
    proven: int
    compared: int
    held: int
    confirmed: int
    backlog: int
    oldest_s: float
    quarantined: int
    halted: str
    def __init__(self, origin: _Optional[str] = ..., latest: _Optional[int] = ..., final: _Optional[int] = ..., proven: _Optional[int] = ..., compared: _Optional[int] = ..., held: _Optional[int] = ..., confirmed: _Optional[int] = ..., backlog: _Optional[int] = ..., oldest_s: _Optional[float] = ..., quarantined: _Optional[int] = ..., halted: _Optional[str] = ...) -> None: ...

class CredentialView(_message.Message):
    __slots__ = ("kind", "name", "begins_ms", "ends_ms")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BEGINS_MS_FIELD_NUMBER: _ClassVar[int]
    ENDS_MS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    name: str
    begins_ms: int
    ends_ms: int
    def __init__(self, kind: _Optional[str] = ..., name: _Optional[str] = ..., begins_ms: _Optional[int] = ..., ends_ms: _Optional[int] = ...) -> None: ...

class FigureView(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: int
    def __init__(self, name: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...

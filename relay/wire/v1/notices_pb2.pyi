from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class NoticesRequest(_message.Message):
    __slots__ = ("after_seq", "epoch", "limit")
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    after_seq: int
    epoch: str
    limit: int
    def __init__(self, after_seq: _Optional[int] = ..., epoch: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class NoticesReply(_message.Message):
    __slots__ = ("notices", "after_seq", "first_seq", "last_seq")
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEQ_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQ_FIELD_NUMBER: _ClassVar[int]
    notices: _containers.RepeatedScalarFieldContainer[bytes]
    after_seq: int
    first_seq: int
    last_seq: int
    def __init__(self, notices: _Optional[_Iterable[bytes]] = ..., after_seq: _Optional[int] = ..., first_seq: _Optional[int] = ..., last_seq: _Optional[int] = ...) -> None: ...

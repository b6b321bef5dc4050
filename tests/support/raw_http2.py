"""HTTP/2 by hand (RFC 9113, RFC 7541) over mutual TLS: what no client library would send; and what it costs the server's process."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from relay.transport.credentials import TlsFiles

DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, CONTINUATION = 0, 1, 3, 4, 7, 9
END_STREAM, END_HEADERS = 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PATIENCE_S = 20.0
Fields = Sequence[tuple[bytes, bytes]]


def frame(kind: int, flags: int, stream: int, payload: bytes, *, declared: int | None = None) -> bytes:
    """One frame; `declared` is the length it claims."""
    length = len(payload) if declared is None else declared
    return length.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def integer(value: int, bits: int, first: int = 0) -> bytes:
    """RFC 7541 section 5.1."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = bytearray([first | most]), value - most
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    return bytes([*out, value])


def literal(name: bytes, value: bytes, *, declared: int | None = None, indexed: bool = False) -> bytes:
    """A literal header field without Huffman coding; `indexed`: into the dynamic table."""
    start = b"\x40" if indexed else b"\x00"
    length = len(value) if declared is None else declared
    return start + integer(len(name), 7) + name + integer(length, 7) + value


def call_headers(path: str, more: Fields = ()) -> bytes:
    """A gRPC call's header block."""
    fields = [
        (b":method", b"POST"), (b":scheme", b"https"), (b":path", path.encode()), (b":authority", b"localhost"),
        (b"content-type", b"application/grpc"), (b"te", b"trailers"), (b"grpc-timeout", b"10S"), *more,
    ]  # fmt: skip
    return b"".join(literal(name, value) for name, value in fields)


@contextmanager
def connected(address: str, files: TlsFiles) -> Iterator[ssl.SSLSocket]:
    """After the handshake, preface and settings sent."""
    context = ssl.create_default_context(cafile=str(files.ca))
    context.load_cert_chain(files.certificate, files.key)
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            secure.sendall(PREFACE + frame(SETTINGS, 0, 0, b""))
            yield secure


def read_frames(secure: ssl.SSLSocket) -> Iterator[tuple[int, int, int, bytes]]:
    """(kind, flags, stream, payload) until the server closes the connection."""
    held = b""
    while True:
        while len(held) >= 9 and len(held) >= 9 + int.from_bytes(held[:3], "big"):
            length = int.from_bytes(held[:3], "big")
            yield held[3], held[4], int.from_bytes(held[5:9], "big"), held[9 : 9 + length]
            held = held[9 + length :]
        try:
            more = secure.recv(65_536)
        except (ConnectionError, ssl.SSLError):
            return
        if not more:
            return
        held += more


def until_ended(secure: ssl.SSLSocket) -> Iterator[tuple[int, int, int, bytes]]:
    """The frames up to the end of the one stream, or of the connection."""
    for kind, flags, stream, payload in read_frames(secure):
        yield kind, flags, stream, payload
        if kind in (GOAWAY, RST_STREAM) or (stream and flags & END_STREAM):
            return


def until_refused(secure: ssl.SSLSocket) -> str:
    """What ended the first stream or the connection. AssertionError when it was answered, TimeoutError when nothing comes."""
    for kind, flags, stream, payload in read_frames(secure):
        if kind == GOAWAY:
            return f"GOAWAY {int.from_bytes(payload[4:8], 'big')} {payload[8:].decode(errors='replace')}"
        if kind == RST_STREAM:
            return f"RST_STREAM {int.from_bytes(payload, 'big')}"
        if kind == HEADERS and stream and flags & END_STREAM:
            return "trailers"
        assert not (kind == DATA and payload), "answered"
    return "closed"


@dataclass
class Cost:
    """What a process spent: CPU seconds of all its threads, and how far its memory rose above where it was."""

    cpu_s: float = 0.0
    bytes: int = 0


def cpu_s(pid: int) -> float:
    """Of all threads alive, in seconds to the nanosecond."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total / 1e9


def memory(pid: int, name: str) -> int:
    """VmRSS or VmHWM in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no {name} of {pid}")


@contextmanager
def costing(pid: int) -> Iterator[Cost]:
    """Around an attack: filled in at its end."""
    cost = Cost()
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # VmHWM begins again
    before, spent = memory(pid, "VmRSS"), cpu_s(pid)
    yield cost
    while True:  # until its threads rest
        now = cpu_s(pid)
        time.sleep(0.02)
        if cpu_s(pid) - now < 0.002:
            break
    cost.cpu_s = cpu_s(pid) - spent
    cost.bytes = memory(pid, "VmHWM") - before

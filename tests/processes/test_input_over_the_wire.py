"""What no client library sends, to a real role's process: each is refused, for at most 50 ms of CPU (on a slow machine:
what 25 well-made calls cost) and 32 MiB of memory, and who behaves is served.
"""

from __future__ import annotations

import socket
import tomllib
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from relay.transport.credentials import TlsFiles
from relay.transport.servers import RPCS_MAX, STREAMS_A_CONNECTION_MAX
from tests.regression.test_30_input_that_declares_more_than_memory import MEMORY_MAX, MIB
from tests.support.command import courtrelay, serving
from tests.support.echo import tls
from tests.support.ports import base_port
from tests.support.raw_http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    RST_STREAM,
    call_headers,
    connected,
    costing,
    frame,
    literal,
    read_frames,
    until_refused,
)

CPU_S_MAX = 0.05
WELL_MADE_CALLS = 25
"""Where the machine is slow and 50 ms are less than that: what so many calls cost just then, each on a connection of its own."""
MEASURED_CALLS = 10
TRIES = 3
GIB_10 = 10 * 1024**3
LEDGER = "/adapters.embedded.v1.Ledger/"
ANCHOR, HEAD = LEDGER + "Anchor", LEDGER + "Head"
MANY = 10_000


@dataclass(frozen=True)
class Role:
    """A running lender's ledger node, a custodian's certificate for attacks, and a relay's."""

    address: str
    pid: int
    files: TlsFiles
    other: TlsFiles

    def answers(self) -> bool:
        """A well-made call of another caller is answered with a message."""
        with connected(self.address, self.other) as secure:
            secure.sendall(headers(HEAD) + body(message(b"")))
            for kind, flags, stream, payload in read_frames(secure):
                if stream and kind == DATA and payload:
                    return True
                if stream and flags & END_STREAM:
                    return False
        return False


@pytest.fixture(scope="module")
def role(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Role]:
    home = tmp_path_factory.mktemp("wire") / "home"
    assert courtrelay("init", home, "--base-port", base_port()).code == 0
    address = tomllib.loads((home / "lender-ledger/config.toml").read_text())["address"]
    with serving(home, "lender-ledger") as process:
        running = Role(address, process.pid, tls(home / "custodian"), tls(home / "relay"))
        assert running.answers()
        yield running
        assert process.poll() is None


def allowed_s(role: Role) -> float:
    """What an attack may cost at the machine's pace of this moment, by the cheapest well-made call."""
    costs = []
    for _ in range(MEASURED_CALLS):
        with costing(role.pid) as cost:
            assert role.answers()
        costs.append(cost.cpu_s)
    return max(CPU_S_MAX, min(costs) * WELL_MADE_CALLS)


def headers(
    path: str, *more: tuple[bytes, bytes], stream: int = 1, flags: int = END_HEADERS, rest: bytes = b""
) -> bytes:
    return frame(HEADERS, flags, stream, call_headers(path, more) + rest)


def message(data: bytes, *, declared: int | None = None, compressed: bool = False) -> bytes:
    """A gRPC message with its five bytes in front."""
    return bytes([compressed]) + (len(data) if declared is None else declared).to_bytes(4, "big") + data


def body(data: bytes, flags: int = END_STREAM) -> bytes:
    pieces = [data[start : start + 16_000] for start in range(0, len(data), 16_000)]
    return b"".join(frame(DATA, flags if n == len(pieces) - 1 else 0, 1, piece) for n, piece in enumerate(pieces))


def zeros(mib: int) -> bytes:
    """That many MiB of zeros, packed by gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(mib)) + packer.flush()


def metadata(count: int) -> bytes:
    """That many names of 16,000 bytes."""
    more = (frame(CONTINUATION, 0, 1, literal(b"x-%d" % n, b"a" * 16_000)) for n in range(count))
    last = frame(CONTINUATION, END_HEADERS, 1, literal(b"x", b""))
    return headers(HEAD, flags=0) + b"".join(more) + last + body(message(b""))


def references(count: int) -> bytes:
    """A name of 3,000 bytes, once, and that many one-byte references to it."""
    first = headers(HEAD, flags=0, rest=literal(b"x-b", b"a" * 3000, indexed=True))
    more = b"".join(frame(CONTINUATION, 0, 1, b"\xbe" * 16_000) for _ in range(count // 16_000))
    return first + more + frame(CONTINUATION, END_HEADERS, 1, b"\xbe")


ATTACKS = {
    "message-of-4-GiB": headers(ANCHOR) + body(message(b"hello", declared=2**32 - 1), 0),
    "content-length-of-10-GiB": headers(ANCHOR, (b"content-length", b"%d" % GIB_10)) + body(message(b"hello"), 0),
    "frame-of-16-MiB": headers(ANCHOR) + frame(DATA, 0, 1, b"x" * 100, declared=2**24 - 1),
    "field-of-10-GiB": headers(ANCHOR) + body(message(b"\x0a\x80\x80\x80\x80\x28abc")),
    "header-of-10-GiB": headers(HEAD, rest=literal(b"x-a", b"zz", declared=GIB_10)),
    "metadata-of-32-KB": metadata(2),
    "metadata-of-8-MiB": metadata(500),
    "metadata-of-480-MB-in-references": references(160_000),
    "packed-zeros": headers(ANCHOR, (b"grpc-encoding", b"gzip")) + body(message(zeros(60), compressed=True)),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_refused_cheaply(role: Role, name: str) -> None:
    """One of up to three tries, each against the limit of its own moment: a busy machine adds to what is measured and never takes away."""
    tried: list[tuple[float, float]] = []
    while not tried or tried[-1][0] >= tried[-1][1]:
        assert len(tried) < TRIES, tried
        with costing(role.pid) as cost, connected(role.address, role.files) as secure:
            with suppress(OSError):  # refused before all of it was sent
                secure.sendall(ATTACKS[name])
            outcome = until_refused(secure)
        assert outcome
        assert cost.bytes < MEMORY_MAX
        tried.append((cost.cpu_s, CPU_S_MAX if cost.cpu_s < CPU_S_MAX else allowed_s(role)))
    assert role.answers()


def test_ten_thousand_idle_streams_cost_little(role: Role) -> None:
    """On one connection, never sending a message; each is refused at once or never begun. Others are answered while they are there."""
    with costing(role.pid) as cost, connected(role.address, role.files) as secure:
        with suppress(OSError):
            for number in range(MANY):
                secure.sendall(headers(HEAD, stream=2 * number + 1))
        assert role.answers()
    assert cost.bytes < MEMORY_MAX
    assert cost.cpu_s < MANY * CPU_S_MAX / 100


def test_calls_that_say_nothing_keep_nobody_out(role: Role) -> None:
    """More than a role takes at all, of one caller on many connections, without a message: all but its share are refused."""
    with ExitStack() as stack:
        for number in range(2 * RPCS_MAX // STREAMS_A_CONNECTION_MAX):
            secure = stack.enter_context(connected(role.address, role.files))
            secure.sendall(b"".join(headers(HEAD, stream=2 * n + 1) for n in range(STREAMS_A_CONNECTION_MAX)))
            if number:
                assert until_refused(secure) == "trailers"
        assert role.answers()


def test_ten_thousand_streams_reset_at_once_cost_little(role: Role) -> None:
    """As in the attack called rapid reset."""
    with costing(role.pid) as cost, connected(role.address, role.files) as secure:
        with suppress(OSError):
            for number in range(MANY):
                reset = frame(RST_STREAM, 0, 2 * number + 1, (8).to_bytes(4, "big"))
                secure.sendall(headers(HEAD, stream=2 * number + 1) + reset)
        assert role.answers()
    assert cost.bytes < MEMORY_MAX
    assert cost.cpu_s < MANY * CPU_S_MAX / 100


def test_ten_thousand_idle_connections_leave_the_role_its_files(role: Role) -> None:
    """All but some hundreds are closed at once; when they go, others come in."""
    host, _, port = role.address.rpartition(":")
    with costing(role.pid) as cost, ExitStack() as stack:
        for _ in range(MANY):
            stack.enter_context(socket.create_connection((host, int(port))))
        files = len(list(Path(f"/proc/{role.pid}/fd").iterdir()))
    assert files < 700
    assert cost.bytes < MEMORY_MAX
    assert cost.cpu_s < MANY * CPU_S_MAX / 100
    while True:
        try:
            assert role.answers()
            break
        except OSError:  # until the role has seen that they went
            continue

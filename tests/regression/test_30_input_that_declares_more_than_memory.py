"""Resource exhaustion: lengths of 10 GiB, a million levels or items, compressed zeros, streams that never say anything. Here
the bound is checked before anything of that size is made: each is refused with less than 32 MiB of memory, and who behaves is
served meanwhile.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from relay.app.adapters import verifiers
from relay.core.bundle import parse_bundle_manifest, parse_consistency, parse_ledger_proof, parse_seal
from relay.core.bundlezip import FileSource, Part, directory, read_parts
from relay.core.canonical import loads_strict
from relay.core.completeness import parse_completeness
from relay.core.custody import parse_event
from relay.core.deposit import parse_deposit_line
from relay.core.disclosure import parse_manifest
from relay.core.errors import Malformed, RelayError, Unavailable
from relay.core.frames import FrameDecoder
from relay.core.grants import parse_grant, parse_grant_statement
from relay.core.identity import Role
from relay.core.merkle import verify_consistency, verify_inclusion, verify_subtree_consistency
from relay.core.note import parse_note
from relay.core.records import parse_sd_jwt
from relay.core.requests import parse_request
from relay.core.tlogproof import parse_tlog_proof
from relay.core.trust import parse_trust_roots
from relay.core.verdict import Finding, Result
from relay.core.verify import verify_bundle
from relay.transport.channels import OPTIONS, channel
from relay.transport.credentials import channel_credentials
from relay.transport.gate import METADATA_BYTES_MAX
from relay.transport.limits import Limits
from relay.transport.servers import RPCS_MAX
from tests.regression.refusing import refusal
from tests.support.bundles import Made
from tests.support.echo import SAY, TALK, Echo, ask, issued, say, served

MIB = 1024 * 1024
MEMORY_MAX = 32 * MIB
MILLION = 1_000_000
PARSERS: tuple[Callable[[bytes], Any], ...] = (
    parse_grant, parse_grant_statement, parse_request, parse_seal, parse_completeness, parse_sd_jwt, parse_note, parse_tlog_proof,
    parse_event, parse_trust_roots, parse_manifest, parse_bundle_manifest, lambda data: parse_ledger_proof(data, what="proof"),
    lambda data: parse_consistency(data, what="proof"), lambda data: parse_deposit_line(data, what="line 1"),
)  # fmt: skip


@contextmanager
def little_memory() -> Iterator[None]:
    """What the body allocates at any one moment stays below the bound; its input was there before."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY_MAX


@pytest.mark.parametrize("unit", [b"A", b".", b"~", b"\n", b"[", b'{"a":', b'"A",', b"\xff", b"\xe2\x80\x94 a\n"])
def test_input_far_beyond_its_bound_is_refused_unread(unit: bytes) -> None:
    """4 MiB and 72 MiB of one thing, for every parser: some bound is smaller than each, or nothing in it grows."""
    for size in (4 * MIB, 72 * MIB):
        data = unit * (size // len(unit))
        for parse in PARSERS:
            with little_memory():
                refusal(parse, data)


def test_million_levels_of_nesting_are_refused() -> None:
    for data in (
        b"[" * MILLION,
        b"[" * MILLION + b"]" * MILLION,
        b'{"a":' * MILLION,
        b'{"a":' * MILLION + b"1" + b"}" * MILLION,
    ):
        with little_memory():
            assert refusal(lambda d: loads_strict(d, what="value", bytes_max=2**40), data)


def test_million_hashes_grants_and_signatures_are_refused() -> None:
    hashes = [bytes(32)] * MILLION
    dossiers = b",".join(b'"%032x"' % n for n in range(MILLION))
    token, roots = b"e30." + dossiers + b".e30", b'{"keys":[' + dossiers[: 8 * MIB] + b"]}"
    note = b"text\n\n" + "— a YWJjZGVm\n".encode() * MILLION
    with little_memory():
        refusal(verify_inclusion, bytes(32), 0, 2**53 - 1, hashes, bytes(32))
        refusal(verify_consistency, 1, 2**53 - 1, hashes, bytes(32), bytes(32))
        refusal(verify_subtree_consistency, 0, 256, 2**53 - 1, hashes, bytes(32), bytes(32))
        refusal(parse_grant, token)
        refusal(parse_trust_roots, roots)
        refusal(parse_note, note)


@pytest.mark.parametrize("declared", [2**31, 10 * 2**30, 2**53, 2**64 - 1])
def test_frame_that_declares_gigabytes_is_refused_at_its_head(declared: int) -> None:
    """Before a byte of the body: manifest, record, payload and end; and a header of four GiB."""
    manifest = b"\x01" + (2).to_bytes(4, "big") + b"{}" + (1).to_bytes(8, "big") + b"x"
    for first, kind, header in (
        (b"", 1, b"{}"), (manifest, 2, b'{"seq":0}'), (manifest, 3, b'{"name":"a","seq":0}'), (manifest, 4, b'{"frames":1}'),
    ):  # fmt: skip
        frame = bytes([kind]) + len(header).to_bytes(4, "big") + header + declared.to_bytes(8, "big")
        for data in (first + frame, first + bytes([kind]) + (2**32 - 1).to_bytes(4, "big")):
            decoder = FrameDecoder()
            with little_memory():
                assert refusal(lambda d, data: list(d.feed(data)), decoder, data)


def sparse(path: Path, size: int, end: bytes) -> Path:
    """A file of that length which takes no room."""
    with path.open("wb") as file:
        file.truncate(size)
        file.seek(size - len(end))
        file.write(end)
    return path


def end_record(count: int, length: int, start: int) -> bytes:
    return struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, length, start, 0)


def test_container_that_declares_more_than_it_has_is_refused(made: Made, tmp_path: Path) -> None:
    """Files of 10 GiB, a directory of a GiB, parts of four GiB, as many parts as can be said; and a compressed bundle of zeros."""
    with pytest.raises(Malformed):
        directory([Part(name="a", size=2**32 - 1, crc32=0)])
    many = (Part(name=f"{n:06d}", size=0, crc32=0) for n in itertools.count())
    with little_memory():
        assert "more than" in refusal(directory, many)
    gib = 2**30
    for name, size, end in (
        ("long", 10 * gib, end_record(1, 0, 10 * gib - 22 & 2**32 - 1)),
        ("directory", gib, end_record(65_000, gib - 22, 0)),
        ("parts", 64 * MIB, end_record(2**16 - 1, 0, 64 * MIB - 22)),
    ):
        with sparse(tmp_path / name, size, end).open("rb") as file, little_memory():
            refusal(read_parts, FileSource(file))
            verdict = verify_bundle(FileSource(file), made.trust, verifiers())
            assert verdict.verdict is Finding.INCONSISTENT
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", bytes(256 * MIB // 4))
    bomb = packed.getvalue()
    assert len(bomb) < MIB
    parts = read_parts(FileSource(io.BytesIO(made.data)))
    place = made.data.index(b"PK\x01\x02")
    declared = made.data[: place + 20] + b"\xff" * 8 + made.data[place + 28 :]
    for data in (bomb, declared, made.data[: parts[0].offset] + bytes(MIB)):
        with little_memory():
            assert made.verify(data).verdict is Finding.INCONSISTENT


async def idle(opened: Any, begun: asyncio.Queue[str]) -> str:
    """A stream that says one thing and then nothing, until it is refused or cancelled."""
    silent = asyncio.Event()

    async def requests() -> Any:
        yield b"a"
        await silent.wait()

    calling = opened.stream_stream(TALK)(requests())
    try:
        async for _ in calling:
            begun.put_nowait("open")
    except Exception as error:
        begun.put_nowait("refused")
        return str(error)
    finally:
        calling.cancel()
    return ""


def test_custody_part_of_millions_of_lines_is_refused(made: Made) -> None:
    """Inside a bundle that is sealed and otherwise whole."""
    for line in (b"\n", b"{}\n"):
        data = made.sealed_again({**made.parts(), "custody/events.jsonl": line * (4 * MIB // len(line))})
        source = FileSource(io.BytesIO(data))
        with little_memory():
            verdict = verify_bundle(source, made.trust, verifiers())
        assert verdict.verdict is Finding.INCONSISTENT
        assert verdict.steps[13].result is Result.FAILED


async def test_idle_streams_beyond_the_bound_are_refused(authority: Path, tmp_path: Path) -> None:
    """More than may be open at all, of one caller on many connections: its share are, others are served meanwhile, and closing
    them lets it in again.
    """
    files, other = (issued(authority, tmp_path / name, Role.OPERATOR, name) for name in ("o", "p"))
    options = [*OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
    async with served(authority, Echo(), tmp_path, long_lived=frozenset({TALK})) as target, AsyncExitStack() as stack:
        callers = [
            await stack.enter_async_context(
                grpc.aio.secure_channel(target, channel_credentials(files), options=options)
            )
            for _ in range(6)
        ]
        begun: asyncio.Queue[str] = asyncio.Queue()
        streams = [asyncio.create_task(idle(callers[n % 6], begun)) for n in range(600)]
        outcomes = [await begun.get() for _ in streams]
        assert len(streams) > RPCS_MAX
        assert 0 < outcomes.count("open") <= Limits().calls_open
        assert outcomes.count("refused") == len(streams) - outcomes.count("open")
        assert await ask(target, other) == b"hello"
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        while True:
            try:
                assert await say(callers[0]) == b"hello"
                break
            except Unavailable:
                await asyncio.sleep(0.01)


async def test_connections_that_say_nothing_keep_nobody_out(authority: Path, tmp_path: Path) -> None:
    """Hundreds of them before the handshake, some with half a greeting."""
    files = issued(authority, tmp_path / "o", Role.OPERATOR)
    async with served(authority, Echo(), tmp_path) as target:
        host, _, port = target.partition(":")
        writers = []
        for number in range(200):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"\x16\x03\x01\xff\xff"[: number % 6])
            writers.append(writer)
        assert await ask(target, files) == b"hello"
        for writer in writers:
            writer.close()


async def test_metadata_beyond_its_bound_reaches_nobody(authority: Path, tmp_path: Path) -> None:
    echo = Echo()
    files = issued(authority, tmp_path / "o", Role.OPERATOR)
    async with served(authority, echo, tmp_path) as target, channel(target, files) as opened:
        for length in (2 * METADATA_BYTES_MAX, 64 * METADATA_BYTES_MAX):
            with pytest.raises(Exception, match=r"(?i)metadata|header|RESOURCE_EXHAUSTED"):
                await opened.unary_unary(SAY)(b"x", timeout=10, metadata=(("x-more", "a" * length),))
        assert echo.calls == 0
        try:
            assert await say(opened) == b"hello"
        except RelayError:
            assert await ask(target, files) == b"hello"
    assert echo.calls == 1

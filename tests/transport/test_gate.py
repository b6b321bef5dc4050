"""Who may call what: identity, role, name, deadline, size, for every shape of call; and no mistake of ours tells its reason."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from relay.core.errors import Conflict, Denied, Malformed, RelayError, Unavailable, Unverified
from relay.core.identity import Identity, Role
from relay.core.limits import MESSAGE_BYTES_MAX
from relay.setup.ca import make_authority
from relay.transport.channels import call, channel
from relay.transport.credentials import TlsFiles, channel_credentials
from relay.transport.servers import serving
from tests.support.echo import (
    COUNT,
    GATHER,
    METHODS,
    NOW,
    SAY,
    TALK,
    Echo,
    ask,
    issued,
    say,
    sending,
    served,
    streamed,
    tls,
    unlimited,
)


@pytest.fixture
def operator(authority: Path, tmp_path: Path) -> TlsFiles:
    return issued(authority, tmp_path / "operator", Role.OPERATOR)


async def every_shape(opened: Any) -> list[list[bytes]]:
    """One call of each shape: their replies."""
    async with sending([b"a", b"b"], held=False) as requests:
        gathered = await call(opened.stream_unary(GATHER)(requests, timeout=30))
    return [
        [await say(opened, b"ab")],
        [reply async for reply in streamed(opened, COUNT, [b"ab"])],
        [bytes(gathered)],
        [reply async for reply in streamed(opened, TALK, [b"a", b"b"])],
    ]


async def refused(opened: Any, method: str, *data: bytes, timeout: float | None = 5.0) -> None:
    """A call that the server ends with an error after what `data` streams to it."""
    if method == SAY:
        await say(opened, timeout=timeout)
    elif method == GATHER:
        async with sending(data, held=False) as requests:
            await call(opened.stream_unary(GATHER)(requests, timeout=timeout))
    else:
        async for _ in streamed(opened, method, data, timeout=timeout):
            pass


async def test_named_role_may_call_every_shape(authority: Path, tmp_path: Path, operator: TlsFiles) -> None:
    async with served(authority, Echo(), tmp_path) as target, channel(target, operator) as opened:
        assert await every_shape(opened) == [[b"ab"], [b"a", b"ab"], [b"ab"], [b"a", b"b"]]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("role", [r for r in Role if r is not Role.OPERATOR])
async def test_every_other_role_is_denied(authority: Path, tmp_path: Path, role: Role, method: str) -> None:
    echo = Echo()
    async with served(authority, echo, tmp_path) as target:
        async with channel(target, issued(authority, tmp_path / "o", role)) as opened:
            with pytest.raises(Denied):
                await refused(opened, method)
    assert echo.calls == 0


async def test_operator_of_another_role_is_denied_by_name(authority: Path, tmp_path: Path) -> None:
    def may(_method: str, identity: Identity) -> bool:
        return identity.name == "ours"

    async with served(authority, Echo(), tmp_path, may=may) as target:
        await ask(target, issued(authority, tmp_path / "a", Role.OPERATOR, "ours"))
        with pytest.raises(Denied) as refusal:
            await ask(target, issued(authority, tmp_path / "b", Role.OPERATOR, "theirs"))
    assert str(refusal.value) == "not permitted"


async def test_certificate_of_another_authority_gets_no_connection(authority: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    make_authority(other, "a.example", NOW)
    files = issued(other, tmp_path / "o", Role.OPERATOR)
    mixed = TlsFiles(ca=authority / "ca.pem", certificate=files.certificate, key=files.key)
    echo = Echo()
    async with served(authority, echo, tmp_path) as target:
        for theirs in (mixed, files):
            with pytest.raises(Unavailable):
                await ask(target, theirs)
    assert echo.calls == 0


async def test_client_without_certificate_gets_no_connection(authority: Path, tmp_path: Path) -> None:
    async with served(authority, Echo(), tmp_path) as target:
        credentials = grpc.ssl_channel_credentials((authority / "ca.pem").read_bytes())
        for opened in (grpc.aio.secure_channel(target, credentials), grpc.aio.insecure_channel(target)):
            async with opened:
                with pytest.raises(Unavailable):
                    await say(opened)


async def test_expired_certificate_gets_nothing(authority: Path, tmp_path: Path) -> None:
    past = NOW - datetime.timedelta(days=30)
    files = issued(authority, tmp_path / "o", Role.OPERATOR, now=past, days=1)
    async with served(authority, Echo(), tmp_path) as target:
        with pytest.raises((Unavailable, Denied)):
            await ask(target, files)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("timeout", [None, 100_000.0])
async def test_call_without_deadline_is_malformed(
    authority: Path, tmp_path: Path, operator: TlsFiles, method: str, timeout: float | None
) -> None:
    async with served(authority, Echo(), tmp_path) as target, channel(target, operator) as opened:
        with pytest.raises(Malformed, match="deadline"):
            await refused(opened, method, timeout=timeout)


async def test_only_a_feed_that_is_named_may_live_without_deadline(
    authority: Path, tmp_path: Path, operator: TlsFiles
) -> None:
    async with served(authority, Echo(), tmp_path, long_lived=frozenset({TALK})) as target:
        async with channel(target, operator) as opened:
            assert [reply async for reply in streamed(opened, TALK, [b"a"], timeout=None)] == [b"a"]
            with pytest.raises(Malformed, match="deadline"):
                await refused(opened, COUNT, timeout=None)


async def test_method_nobody_wrote_is_not_there(authority: Path, tmp_path: Path, operator: TlsFiles) -> None:
    async with served(authority, Echo(), tmp_path) as target, channel(target, operator) as opened:
        unknown: Any = opened.unary_unary("/tests.Echo/Shout")
        with pytest.raises(RelayError):
            await call(unknown(b"", timeout=30))


async def test_method_without_roles_is_a_mistake_of_ours(authority: Path, tmp_path: Path) -> None:
    for missing in METHODS:
        allow = {method: frozenset({Role.OPERATOR}) for method in METHODS if method != missing}
        with pytest.raises(RuntimeError, match=f"no roles.*{missing}"):
            async with serving(
                [Echo().register],
                address="127.0.0.1:0",
                tls=issued(authority, tmp_path / missing.replace("/", "-"), Role.RELAY),
                allow=allow,
            ):
                pass


async def test_address_in_use_says_so(authority: Path, tmp_path: Path) -> None:
    async with served(authority, Echo(), tmp_path) as target:
        allow = {method: frozenset({Role.OPERATOR}) for method in METHODS}
        with pytest.raises(Malformed, match="in use"):
            async with serving([Echo().register], address=target, tls=tls(tmp_path / "server"), allow=allow):
                pass


async def test_largest_message_passes_and_a_larger_one_reaches_nobody(
    authority: Path, tmp_path: Path, operator: TlsFiles
) -> None:
    """Bounded on both sides: our client does not send it, and our server does not take it from another's client."""
    echo = Echo()
    async with served(authority, echo, tmp_path) as target:
        assert len(await ask(target, operator, bytes(MESSAGE_BYTES_MAX))) == MESSAGE_BYTES_MAX
        with pytest.raises(Malformed, match="larger than max"):
            await ask(target, operator, bytes(MESSAGE_BYTES_MAX + 1))
        theirs = grpc.aio.secure_channel(target, channel_credentials(operator), options=unlimited())
        async with theirs:
            with pytest.raises(Malformed, match="larger than max"):
                await say(theirs, bytes(MESSAGE_BYTES_MAX + 1))
            assert await say(theirs) == b"hello"
    assert echo.calls == 2


async def test_anyone_with_a_certificate_may_ask_for_health(authority: Path, tmp_path: Path) -> None:
    async with served(authority, Echo(), tmp_path) as target:
        async with channel(target, issued(authority, tmp_path / "c", Role.COURT)) as opened:
            stub: Any = health_pb2_grpc.HealthStub(opened)
            reply = await call(stub.Check(health_pb2.HealthCheckRequest(service=""), timeout=30))
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("method", METHODS)
async def test_reason_of_a_denial_stays_inside(
    authority: Path, tmp_path: Path, operator: TlsFiles, method: str
) -> None:
    echo = Echo(Denied("the grant of Mr Wang expired"))
    async with served(authority, echo, tmp_path) as target, channel(target, operator) as opened:
        with pytest.raises(Denied) as refusal:
            await refused(opened, method, b"a")
    assert str(refusal.value) == "not permitted"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("error", [ValueError("secret /etc/passwd"), ExceptionGroup("x", [KeyError("secret")])])
async def test_mistake_of_ours_leaves_a_number_only(
    authority: Path, tmp_path: Path, operator: TlsFiles, method: str, error: Exception
) -> None:
    async with served(authority, Echo(error), tmp_path) as target, channel(target, operator) as opened:
        with pytest.raises(Unavailable) as refusal:
            await refused(opened, method, b"a")
    assert "log id" in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("method", [COUNT, TALK])
async def test_error_in_the_middle_of_a_stream_is_not_taken_for_its_end(
    authority: Path, tmp_path: Path, operator: TlsFiles, method: str
) -> None:
    echo = Echo(before=2)
    async with served(authority, echo, tmp_path) as target, channel(target, operator) as opened:
        for echo.error in (Conflict("no"), Unverified("root", "no")):
            seen = []
            with pytest.raises(type(echo.error)):
                async for reply in streamed(opened, method, [b"a", b"b", b"c"]):
                    seen.append(reply)
            assert len(seen) == 2

"""Who may call what: identity, role, name, deadline, size; and every error keeps its kind across the wire."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from relay.core.errors import (
    Conflict,
    Denied,
    Malformed,
    NotFound,
    RelayError,
    Unavailable,
    Uncertain,
    Unverified,
)
from relay.core.identity import Identity, Role
from relay.setup.ca import issue, make_authority
from relay.transport.channels import call, channel
from relay.transport.credentials import TlsFiles
from relay.transport.servers import serving
from relay.wire.v1 import relay_pb2, relay_pb2_grpc

METHOD = "/relay.wire.v1.RelayAdmin/Status"
NOW = datetime.datetime.now(datetime.UTC)


def tls(folder: Path) -> TlsFiles:
    return TlsFiles(ca=folder / "ca.pem", certificate=folder / "tls.pem", key=folder / "tls.key")


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    folder = tmp_path / "authority"
    folder.mkdir()
    make_authority(folder, "a.example", NOW)
    return folder


def issued(authority: Path, to: Path, role: Role, name: str = "x", **options: Any) -> TlsFiles:
    to.mkdir(exist_ok=True)
    issue(authority, Identity(trust_domain="a.example", role=role, name=name), to, options.pop("now", NOW), **options)
    return tls(to)


class Admin(relay_pb2_grpc.RelayAdminServicer):
    """Answers, or raises what it is told to."""

    error: BaseException | None = None

    async def Status(self, request: Any, context: Any) -> relay_pb2.RelayStatusReply:
        if self.error is not None:
            raise self.error
        return relay_pb2.RelayStatusReply(last_problem="none")


@asynccontextmanager
async def served(authority: Path, admin: Admin, folder: Path, **options: Any) -> AsyncIterator[str]:
    files = issued(authority, folder / "server", Role.RELAY)
    allow = {METHOD: frozenset({Role.OPERATOR})}
    register = [lambda server: relay_pb2_grpc.add_RelayAdminServicer_to_server(admin, server)]
    async with serving(register, address="127.0.0.1:0", tls=files, allow=allow, **options) as port:
        yield f"127.0.0.1:{port}"


async def ask(target: str, files: TlsFiles, *, timeout: float | None = 5.0) -> relay_pb2.RelayStatusReply:
    async with channel(target, files) as opened:
        stub: Any = relay_pb2_grpc.RelayAdminStub(opened)
        return await call(stub.Status(relay_pb2.RelayStatusRequest(), timeout=timeout))


async def test_named_role_may_call(authority: Path, tmp_path: Path) -> None:
    async with served(authority, Admin(), tmp_path) as target:
        reply = await ask(target, issued(authority, tmp_path / "o", Role.OPERATOR))
    assert reply.last_problem == "none"


@pytest.mark.parametrize("role", [r for r in Role if r is not Role.OPERATOR])
async def test_every_other_role_is_denied(authority: Path, tmp_path: Path, role: Role) -> None:
    async with served(authority, Admin(), tmp_path) as target:
        with pytest.raises(Denied):
            await ask(target, issued(authority, tmp_path / "o", role))


async def test_operator_of_another_role_is_denied_by_name(authority: Path, tmp_path: Path) -> None:
    def may(_method: str, identity: Identity) -> bool:
        return identity.name == "ours"

    async with served(authority, Admin(), tmp_path, may=may) as target:
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
    async with served(authority, Admin(), tmp_path) as target:
        with pytest.raises(Unavailable):
            await ask(target, mixed)


async def test_client_without_certificate_gets_no_connection(authority: Path, tmp_path: Path) -> None:
    async with served(authority, Admin(), tmp_path) as target:
        credentials = grpc.ssl_channel_credentials((authority / "ca.pem").read_bytes())
        async with grpc.aio.secure_channel(target, credentials) as opened:
            stub: Any = relay_pb2_grpc.RelayAdminStub(opened)
            with pytest.raises(Unavailable):
                await call(stub.Status(relay_pb2.RelayStatusRequest(), timeout=5))


async def test_plain_text_gets_no_connection(authority: Path, tmp_path: Path) -> None:
    async with served(authority, Admin(), tmp_path) as target, grpc.aio.insecure_channel(target) as opened:
        stub: Any = relay_pb2_grpc.RelayAdminStub(opened)
        with pytest.raises(Unavailable):
            await call(stub.Status(relay_pb2.RelayStatusRequest(), timeout=5))


async def test_server_of_another_authority_is_not_trusted(authority: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    make_authority(other, "a.example", NOW)
    async with served(authority, Admin(), tmp_path) as target:
        with pytest.raises(Unavailable):
            await ask(target, issued(other, tmp_path / "o", Role.OPERATOR))


async def test_expired_certificate_gets_nothing(authority: Path, tmp_path: Path) -> None:
    past = NOW - datetime.timedelta(days=30)
    files = issued(authority, tmp_path / "o", Role.OPERATOR, now=past, days=1)
    async with served(authority, Admin(), tmp_path) as target:
        with pytest.raises((Unavailable, Denied)):
            await ask(target, files)


async def test_call_without_deadline_is_malformed(authority: Path, tmp_path: Path) -> None:
    files = issued(authority, tmp_path / "o", Role.OPERATOR)
    async with served(authority, Admin(), tmp_path) as target:
        for timeout in (None, 100_000.0):
            with pytest.raises(Malformed, match="deadline"):
                await ask(target, files, timeout=timeout)


async def test_method_without_roles_is_a_mistake_of_ours(authority: Path, tmp_path: Path) -> None:
    files = issued(authority, tmp_path / "s", Role.RELAY)
    register = [lambda server: relay_pb2_grpc.add_RelayAdminServicer_to_server(Admin(), server)]
    with pytest.raises(RuntimeError, match="no roles"):
        async with serving(register, address="127.0.0.1:0", tls=files, allow={}):
            pass


async def test_address_in_use_says_so(authority: Path, tmp_path: Path) -> None:
    async with served(authority, Admin(), tmp_path) as target:
        files = tls(tmp_path / "server")
        register = [lambda server: relay_pb2_grpc.add_RelayAdminServicer_to_server(Admin(), server)]
        with pytest.raises(Malformed, match="in use"):
            async with serving(register, address=target, tls=files, allow={METHOD: frozenset({Role.OPERATOR})}):
                pass


@pytest.mark.parametrize(
    "error",
    [
        Malformed("file", "line.field", "is wrong: ü"),
        Unverified("a step", "does not hold"),
        NotFound("nothing there"),
        Conflict("contradicts"),
        Unavailable("not now"),
        Uncertain("who knows"),
    ],
    ids=lambda e: type(e).__name__,
)
async def test_error_keeps_its_kind_and_words(authority: Path, tmp_path: Path, error: RelayError) -> None:
    admin = Admin()
    admin.error = error
    files = issued(authority, tmp_path / "o", Role.OPERATOR)
    async with served(authority, admin, tmp_path) as target:
        with pytest.raises(type(error)) as refusal:
            await ask(target, files)
    assert str(refusal.value) == str(error)


async def test_reason_of_a_denial_stays_inside(authority: Path, tmp_path: Path) -> None:
    admin = Admin()
    admin.error = Denied("the grant of Mr Wang expired")
    files = issued(authority, tmp_path / "o", Role.OPERATOR)
    async with served(authority, admin, tmp_path) as target:
        with pytest.raises(Denied) as refusal:
            await ask(target, files)
    assert str(refusal.value) == "not permitted"


async def test_mistake_of_ours_leaves_a_number_only(authority: Path, tmp_path: Path) -> None:
    admin = Admin()
    admin.error = ValueError("secret /etc/passwd")
    files = issued(authority, tmp_path / "o", Role.OPERATOR)
    async with served(authority, admin, tmp_path) as target:
        with pytest.raises(Unavailable) as refusal:
            await ask(target, files)
    assert "log id" in str(refusal.value)
    assert "secret" not in str(refusal.value)

"""`courtrelay probe`: whether a role on this machine lives or is ready, asked through gRPC's health service.

For supervisors and container platforms that can run a command. It uses the role's own certificate, so that it needs no key besides.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any, Final

import grpc.aio
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc

from adapters.embedded import node as embedded
from relay.app.serve import CONFIG, ROLES
from relay.config.roles import read_court, read_custodian, read_relay
from relay.core.errors import Malformed, Unavailable
from relay.transport.channels import OPTIONS, call
from relay.transport.credentials import TlsFiles, channel_credentials

PROBE_S: Final = 5.0


async def probe(role: str, home: Path, config: Path | None, *, ready: bool) -> str:
    """What the role says of itself. Raises `Unavailable` when it does not answer or, asked for `ready`, is not; `Malformed`."""
    if role not in ROLES:
        raise Malformed("probe", "role", f"{role!a} is none of {', '.join(ROLES)}")
    address, tls = _where(role, config or home / role / CONFIG)
    # the role listens on whatever address; what it must show is its own certificate
    options = [*OPTIONS, ("grpc.ssl_target_name_override", _own_name(tls.certificate))]
    async with grpc.aio.secure_channel(address, channel_credentials(tls), options=options) as opened:
        stub: Any = health_pb2_grpc.HealthStub(opened)
        reply = await call(stub.Check(health_pb2.HealthCheckRequest(service=""), timeout=PROBE_S))
    serving = reply.status == health_pb2.HealthCheckResponse.SERVING
    if ready and not serving:
        raise Unavailable(
            f"{role} answers and is not ready; `courtrelay status` or /readyz says which part of it is not"
        )
    return f"{role} at {address} is {'ready' if serving else 'alive and not ready'}"


def _where(role: str, path: Path) -> tuple[str, TlsFiles]:
    """The address to ask and the role's TLS files."""
    if role in ("lender-ledger", "court-ledger"):
        node = embedded.read_node_config(path)
        listen, tls = node.address, node.tls
    else:
        listen, tls = _of_role(role, path)
    host, _, port = listen.rpartition(":")
    if port == "0":
        raise Malformed(str(path), "listen", "takes a free port, which nobody else knows: name one to be probed at")
    try:
        everywhere = ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        everywhere = False
    return (f"127.0.0.1:{port}" if everywhere else listen), tls


def _of_role(role: str, path: Path) -> tuple[str, TlsFiles]:
    if role == "custodian":
        common = read_custodian(path).common
    elif role == "relay":
        common = read_relay(path).common
    else:
        common = read_court(path).common
    return common.listen, common.tls


def _own_name(path: Path) -> str:
    """The first name in a certificate that a client can ask for. Raises `Malformed` when it has none."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        raise Malformed(str(path), "", f"cannot be read as a certificate: {error}") from None
    found = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    if not found:
        raise Malformed(str(path), "names", "has no host name; a role that others call has one (--name at the request)")
    return found[0]

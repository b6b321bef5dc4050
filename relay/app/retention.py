"""Wires the custodian's retention, holds, erasures and subject-access reports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc.aio

from relay.app.runtime import SystemClock, backoff, random_bytes
from relay.config.roles import CustodianConfig
from relay.core.retention import RetentionPolicy
from relay.ports.common import Signer
from relay.services.custodian.erasure import Erasures
from relay.services.custodian.report import SubjectReports
from relay.services.custodian.retention import Retention
from relay.store.custodian import SqliteCustodianStore
from relay.store.vault import Vault
from relay.wire.retention_server import ALLOW as RETENTION_ALLOW
from relay.wire.retention_server import RetentionDesk
from relay.wire.v1 import custodian_pb2_grpc

__all__ = ["RETENTION_ALLOW", "RetentionServices", "wire_retention"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionServices:
    """Wired; `erasures.run` is a worker."""

    retention: Retention
    erasures: Erasures
    reports: SubjectReports

    def register(self, server: grpc.aio.Server) -> None:
        """Add the operators' desk to a server."""
        desk = RetentionDesk(self.retention, self.erasures, self.reports)
        custodian_pb2_grpc.add_RetentionDeskServicer_to_server(desk, server)


def wire_retention(
    config: CustodianConfig,
    store: SqliteCustodianStore,
    vault: Vault,
    policy: RetentionPolicy,
    record_key: Signer,
    quiet: Callable[[str], Awaitable[None]],
) -> RetentionServices:
    """Every service. `quiet` waits until no answer about a dossier is under way."""
    clock, identity = SystemClock(), config.common.identity
    retention = Retention(
        store=store.erasures, grants=store.grants, policy=policy, clock=clock, random_bytes=random_bytes
    )
    erasures = Erasures(
        identity=identity,
        origin=config.origin,
        store=store.erasures,
        tombstones=store.erasures,
        retention=retention,
        vault=vault,
        quiet=quiet,
        append_custody=store.append_custody,
        signer=record_key,
        clock=clock,
        random_bytes=random_bytes,
        backoff=backoff,
    )
    reports = SubjectReports(
        identity=identity,
        origin=config.origin,
        retention=retention,
        store=store.erasures,
        records=store,
        clock=clock,
        random_bytes=random_bytes,
    )
    return RetentionServices(retention=retention, erasures=erasures, reports=reports)

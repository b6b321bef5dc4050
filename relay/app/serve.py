"""`courtrelay serve`: one role in this process, or all of them as children."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from relay.app.processes import RoleProcess
from relay.app.runtime import run_process, set_up_logging, until_signalled
from relay.core.errors import Malformed, Unavailable

ROLES: Final = ("lender-ledger", "court-ledger", "court", "relay", "custodian")
"""In the order in which they are started."""
CONFIG: Final = "config.toml"


def serve_role(role: str, home: Path, config: Path | None) -> int:
    """Run until SIGTERM or Ctrl-C; the exit code."""
    set_up_logging()
    if role == "all":
        if config is not None:
            raise Malformed("serve", "--config", "belongs to one role; `all` uses the files in --home")
        return run_process(_all(home))
    if role not in ROLES:
        raise Malformed("serve", "role", f"{role!a} is none of all, {', '.join(ROLES)}")
    path = config or home / role / CONFIG
    return run_process(_main(role, path), path)


def _main(role: str, path: Path) -> Coroutine[Any, Any, None]:
    """Imports what this role needs and no more: a start takes half the time, and a process holds no other role's libraries."""
    if role == "custodian":
        from relay.app.custodian import run_custodian

        return run_custodian(path)
    if role == "relay":
        from relay.app.relay import run_relay

        return run_relay(path)
    if role == "court":
        from relay.app.court import run_court

        return run_court(path)
    from relay.app.ledger import run_ledger

    return run_ledger(path, role)


async def _all(home: Path) -> None:
    """Children in order; when one ends by itself, all end, for half a network helps nobody."""
    processes = [RoleProcess(role, home) for role in ROLES]
    try:
        for process in processes:
            await process.start()
            print(f"{process.role} ready at {process.address} (pid {process.pid})", flush=True)
        print("all roles are ready; Ctrl-C or SIGTERM ends them", flush=True)
        waits = [asyncio.create_task(process.wait(), name=process.role) for process in processes]
        signalled = asyncio.create_task(until_signalled())
        done, _ = await asyncio.wait({signalled, *waits}, return_when=asyncio.FIRST_COMPLETED)
        ended = [task for task in done if task is not signalled]
        signalled.cancel()
        if ended and signalled not in done:
            raise Unavailable(
                f"{ended[0].get_name()} ended by itself with code {ended[0].result()}; all others were ended"
            )
    finally:
        for process in reversed(processes):
            await process.end()


__all__ = ["ROLES", "serve_role"]

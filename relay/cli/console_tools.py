"""`courtrelay status` and `courtrelay top`: one screen of all roles."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console as Terminal
from rich.live import Live

from relay.app import console
from relay.cli import output
from relay.cli.common import DEFAULT_HOME, Home, Json, run
from relay.cli.screen import rates, screen

EVERY_S: Final = 1.0
QUIT: Final = frozenset(b"qQ")


def status_command(home: Home = DEFAULT_HOME, as_json: Json = False) -> None:
    """Show every role of HOME on one screen. Exit 0 all is well, 1 something needs a look, 3 a role cannot be asked."""
    seen, facts = run(console.status(home))
    if as_json:
        output.as_json(facts)
    else:
        _terminal().print(screen(seen, {}))
    sys.exit(console.exit_code(seen))


def top_command(
    home: Home = DEFAULT_HOME,
    once: Annotated[bool, typer.Option("--once", help="Print one frame, from two looks a second apart.")] = False,
) -> None:
    """Watch every role of HOME, looked at each second; q or Ctrl-C ends."""
    run(_once(home) if once else _watch(home))


def _terminal() -> Terminal:
    return Terminal(highlight=False)


async def _once(home: Path) -> None:
    async with console.open_console(home) as roles:
        before = await roles.look()
        await asyncio.sleep(EVERY_S)
        now = await roles.look()
    _terminal().print(screen(now, rates(before, now)))


async def _watch(home: Path) -> None:
    quit_ = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, quit_.set)
    terminal = _terminal()
    async with console.open_console(home) as roles:
        with _keys(quit_), Live(console=terminal, screen=True, auto_refresh=False) as live:
            before = await roles.look()
            while not quit_.is_set():
                now = await roles.look()
                live.update(screen(now, rates(before, now), lines=terminal.height), refresh=True)
                before = now
                await _pause(quit_)


async def _pause(quit_: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(EVERY_S):
            await quit_.wait()
    except TimeoutError:
        return


@contextmanager
def _keys(quit_: asyncio.Event) -> Iterator[None]:
    """Keys as they are pressed, while the body runs; the terminal is as before afterwards. Nothing where there is no terminal."""
    if not sys.stdin.isatty():
        yield
        return
    stdin, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(stdin)

    def pressed() -> None:
        if not QUIT.isdisjoint(os.read(stdin, 16)):
            quit_.set()

    tty.setcbreak(stdin)
    loop.add_reader(stdin, pressed)
    try:
        yield
    finally:
        loop.remove_reader(stdin)
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)

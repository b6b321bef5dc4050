"""The command itself, and how it ends.

Exit codes: 0 done, 1 failed or INCONSISTENT, 2 usage, 3 UNVERIFIABLE, pending, or a role that cannot be asked; those of
a process that ends by itself: relay.app.exits.
"""

from __future__ import annotations

import sys
from typing import Final

import typer

from relay.app.exits import EXIT_FAILED, EXIT_USAGE
from relay.cli import output
from relay.cli.common import check_arguments
from relay.cli.verbs import Verbs
from relay.core.errors import Malformed, RelayError

app: Final = typer.Typer(cls=Verbs, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback(help="")
def _root() -> None:
    """What all verbs share: nothing."""


def main() -> None:
    """Entry point: no traceback for what a person can mend."""
    output.never_unencodable()
    try:
        check_arguments(sys.argv[1:])
        app()
    except Malformed as error:
        output.complain(f"error: {error}")
        sys.exit(EXIT_USAGE)
    except (RelayError, OSError) as error:
        output.complain(f"error: {error}")
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(130)

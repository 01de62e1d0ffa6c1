"""Shared parts of the commands: JSON for scripts, a bar for people, exit codes for schedulers."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from payment_service.cli.arguments import Words, user
from payment_service.domain.errors import DatabaseNotMigrated, DatabaseNotUtf8, Unavailable
from payment_service.services.dependencies import Dependencies
from payment_service.services.readiness import may_rewrite_journal

ACTOR = click.option("--actor", type=Words(255), default=user, help="Your name; that of the system's user by default.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead, for scripts.")


class TemporaryFailure(click.ClickException):
    """The database or the gateway did not answer: run the command again. Exit code 1 is for real problems."""

    exit_code = 3


class Command(click.Command):
    """A command with exit codes from which a scheduler knows what to do, see docs/reference/commands.md."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it; an unreachable database or gateway becomes a sentence and an exit code, not a traceback."""
        try:
            return super().invoke(ctx)
        except DatabaseNotUtf8 as error:
            raise click.ClickException(error.message) from error
        except DatabaseNotMigrated as error:
            raise TemporaryFailure(f"{error.code}: {error.message}") from error
        except Unavailable as error:
            raise TemporaryFailure(f"{error.code}: try again later") from error


def require_owner(deps: Dependencies) -> None:
    """End the command if this process may not change rows that the service only adds."""
    if not may_rewrite_journal(deps):
        raise click.ClickException("only the role that owns the tables may do this: connect as payments_owner")


@contextmanager
def progress(length: int, label: str) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error if that is a terminal; yield the function that advances it."""
    with click.progressbar(length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield bar.update


def emit(as_json: bool, document: dict[str, Any], text: str) -> None:
    """Print the result on standard output: as one line of JSON or as text."""
    click.echo(json.dumps(document, default=str) if as_json else text)

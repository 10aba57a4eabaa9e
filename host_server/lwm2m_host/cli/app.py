"""Puts the commands together and turns what goes wrong into one line and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated

import click
import typer

from .. import __version__
from . import devices, events, operations, serve
from .failure import Failure

app = typer.Typer(
    name="lwm2m-host",
    help="An LwM2M server for people who write firmware: serve it, and manage devices with it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lwm2m-host {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


for module in (serve, devices, operations, events):
    module.add_to(app)


def run(arguments: list[str]) -> int:
    """Run a command line. Returns the exit code."""
    try:
        result = app(arguments, prog_name="lwm2m-host", standalone_mode=False)
    except Failure as failure:
        return _say(str(failure), failure.exit_code)
    except click.UsageError as error:
        hint = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        return _say(error.format_message() + hint, 2)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    return result if isinstance(result, int) else 0


def _say(message: str, exit_code: int) -> int:
    if message.strip():
        print("lwm2m-host: " + " ".join(message.split()), file=sys.stderr)
    return exit_code

"""Puts the commands together and turns what goes wrong into one line and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .. import __version__
from . import (
    board,
    composite,
    demo,
    devices,
    events,
    history,
    new_object,
    observe,
    operations,
    relay,
    serve,
)
from .failure import Failure

app = typer.Typer(
    name="lwm2m-host",
    help="An LwM2M server for people who write firmware: serve it, and manage devices with it.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lwm2m-host {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for module in (
    serve,
    demo,
    board,
    devices,
    operations,
    composite,
    observe,
    history,
    events,
    new_object,
    relay,
):
    module.add_to(app)


def run(arguments: list[str]) -> int:
    """Run a command line. Returns the exit code."""
    try:
        result = app(arguments, prog_name="lwm2m-host", standalone_mode=False)
    except Failure as failure:
        return _say(str(failure), failure.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except typer.TyperException as error:  # the command line does not parse
        return _say(_message(error), getattr(error, "exit_code", 2))
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    return result if isinstance(result, int) else 0


def _message(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    hint = f" (see {context.command_path} --help)" if context else ""
    return f"{getattr(error, 'format_message', error.__str__)()}{hint}"


def _say(message: str, exit_code: int) -> int:
    if message.strip():
        print("lwm2m-host: " + " ".join(message.split()), file=sys.stderr)
    return exit_code

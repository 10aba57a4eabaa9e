"""The command line: the table of commands, and errors as one line and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .. import __version__
from .failure import Failure
from .lazy import Lazy, lazy_group

_BOARD = {  # in the order in which a new board needs them
    "detect": Lazy("board.detect:detect", "List the boards that are plugged in."),
    "flash": Lazy("board.flash:flash", "Put MicroPython onto a board."),
    "provision": Lazy(
        "board.provision:provision",
        "Write config.json, and keys.json for what must stay secret.",
    ),
    "deploy": Lazy(
        "board.deploy:deploy",
        "Copy a program and the modules that it imports to a board, as far as they have changed.",
    ),
    "monitor": Lazy(
        "board.console:monitor",
        "Show the output of a board; keys go to it.",
    ),
    "decode": Lazy(
        "board.console:decode",
        "Print the output of a board with tracebacks that name file and line of the source.",
    ),
    "run": Lazy(
        "board.console:run",
        "Run a program on a board without copying it, and show its output.",
    ),
    "memory": Lazy(
        "board.memory:memory",
        "Show the heap of a board while its program starts, and what the client takes of it.",
    ),
    "doctor": Lazy(
        "board.doctor:doctor",
        "List what work with boards needs, what is missing, and how to get it.",
    ),
    "unix": Lazy(
        "board.unix:unix",
        "Be a board without hardware, until Ctrl-C: prints the port to deploy to.",
    ),
}

_BOARD_HELP = "Boards: find, flash, provision, deploy, monitor, run, measure."

COMMANDS = {
    "serve": Lazy("serve:serve", "Run the server until Ctrl-C."),
    "demo": Lazy(
        "demo:demo", "Show a server and a real MicroPython client at work, until Ctrl-C."
    ),
    "board": Lazy("", _BOARD_HELP, group=lazy_group(_BOARD_HELP, _BOARD)),
    "devices": Lazy("devices:devices", "List the registered devices."),
    "status": Lazy("status:status", "Print the state of the server in numbers."),
    "read": Lazy(
        "operations:read", "Read an object, an instance, a resource or a resource instance."
    ),
    "write": Lazy(
        "operations:write",
        "Write a resource, a resource instance or a whole instance.",
        numbers=True,
    ),
    "execute": Lazy("operations:execute", "Execute a resource."),
    "discover": Lazy("operations:discover", "List what is below a path, with attributes."),
    "create": Lazy("operations:create", "Create an instance of an object.", numbers=True),
    "delete": Lazy("operations:delete", "Delete an instance of an object, or of a resource."),
    "write-attributes": Lazy(
        "operations:write_attributes",
        "Set when a device notifies: pmin, pmax, gt, lt, st, epmin, epmax, edge, con, hqmax.",
        numbers=True,
    ),
    "read-composite": Lazy(
        "composite:read_composite", "Read several paths of any objects in one request."
    ),
    "write-composite": Lazy(
        "composite:write_composite",
        "Write several resources of any objects in one request: all of them, or none.",
        numbers=True,
    ),
    "observe": Lazy("observe:observe", "Observe paths and print each notification, until Ctrl-C."),
    "observe-composite": Lazy(
        "observe:observe_composite",
        "Observe several paths that are notified together, until Ctrl-C.",
    ),
    "cancel": Lazy("observe:cancel", "Cancel observations."),
    "observations": Lazy("observe:observations", "List the observations."),
    "history": Lazy(
        "history:history", "Print what a device has notified and sent, the oldest first."
    ),
    "events": Lazy(
        "events:events",
        "Follow registrations, observations, notifications and Send until Ctrl-C.",
    ),
    "new-object": Lazy(
        "new_object:new_object", "Write a class for the device from an object definition."
    ),
    "relay": Lazy("relay:relay", "Inject faults between devices and a server, until Ctrl-C."),
}

app = lazy_group(
    "An LwM2M server for people who write firmware: serve it, and manage devices with it.",
    COMMANDS,
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


def run(arguments: list[str]) -> int:
    """Run a command line. Returns the exit code."""
    try:
        result = app(arguments, prog_name="lwm2m-host", standalone_mode=False)
    except Failure as failure:
        return _fail(str(failure), failure.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except typer.TyperException as error:  # the command line does not parse
        return _fail(_message(error), getattr(error, "exit_code", 2))
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    return result if isinstance(result, int) else 0


def _message(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    hint = f" (see {context.command_path} --help)" if context else ""
    return f"{getattr(error, 'format_message', error.__str__)()}{hint}"


def _fail(message: str, exit_code: int) -> int:
    if message.strip():
        print("lwm2m-host: " + " ".join(message.split()), file=sys.stderr)
    return exit_code

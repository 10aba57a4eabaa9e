"""lwm2m-host board: from a board in its bag to a device that a server manages

The modules of `lwm2m_host.board` are imported where they are used: the other commands start
faster without.
"""

from __future__ import annotations

import typer

from . import console, deploy, detect, doctor, flash, provision, unix

commands = typer.Typer(
    help="Boards: find, flash, provision, deploy, monitor, run.", rich_markup_mode=None
)


@commands.callback(invoke_without_command=True)
def _options(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


# In the order in which a new board needs them
for module in (detect, flash, provision, deploy, console, doctor, unix):
    module.add_to(commands)


def add_to(app: typer.Typer) -> None:
    app.add_typer(commands, name="board")

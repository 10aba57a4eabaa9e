"""Commands whose modules are imported when the command is called: the others start faster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup


@dataclass(frozen=True)
class Lazy:
    """A command: its function as ``module:function`` in this package, and its line of --help.

    help: the first line of the function's docstring; a test compares them.
    numbers: values may begin with "-", as in -5.
    group: the commands below it, instead of a function.
    """

    place: str
    help: str
    numbers: bool = False
    group: typer.Typer | None = None

    def load(self) -> Any:
        """Import the module. Returns the command."""
        if self.group is not None:
            return typer.main.get_group(self.group)
        module, _, function = self.place.partition(":")
        builder = typer.Typer(add_completion=False, rich_markup_mode=None)
        settings = {"ignore_unknown_options": True} if self.numbers else None
        builder.command(context_settings=settings)(
            getattr(import_module(f".{module}", __package__), function)
        )
        return typer.main.get_command(builder)


class _Commands(Mapping[str, Any]):
    """The commands of a group by name: a command is imported when it is looked up."""

    def __init__(self, table: Mapping[str, Lazy]) -> None:
        self._table = table

    def __getitem__(self, name: str) -> Any:
        return self._table[name].load()

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


class LazyGroup(TyperGroup):
    """A group of commands out of a table. Derive from it with `table`, as `lazy_group` does."""

    table: ClassVar[Mapping[str, Lazy]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "commands": _Commands(self.table)})

    def format_commands(self, context: Any, formatter: Any) -> None:
        """List the commands in --help, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in self.table.items()])


def lazy_group(help: str, commands: Mapping[str, Lazy]) -> typer.Typer:
    """A group of `commands`, which prints its help when none is given."""

    class Group(LazyGroup):
        table = commands

    app = typer.Typer(
        cls=Group,
        help=help,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback(invoke_without_command=True)
    def print_help(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    return app

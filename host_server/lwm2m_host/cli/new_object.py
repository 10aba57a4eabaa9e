"""lwm2m-host new-object"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .. import ModelError
from ..model.xml import parse_xml
from ..terminal import print_json
from .failure import Failure, WrongArgument
from .options import Json
from .scaffold import class_name, is_untyped, module_name, source


def new_object(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.xml", help="A definition as in OMA's registry.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where to write the module.")
    ] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json: Json = False,
) -> None:
    """Write a class for the device from an object definition.

    One module for each object in the file. JSON: a list of {"file", "class", "object"}.
    """
    try:
        models = parse_xml(file.read_bytes(), str(file))
    except (ModelError, OSError) as error:
        raise WrongArgument(_reason(error)) from None
    if not out.is_dir():
        raise WrongArgument(f"no folder {out}")
    targets = [(model, out / f"{module_name(model)}.py") for model in models]
    for _, target in targets:
        if target.exists() and not force:
            raise Failure(f"{target} is there already; --force replaces it")
    for model, target in targets:
        try:
            target.write_text(source(model), encoding="utf-8")
        except OSError as error:
            raise Failure(_reason(error)) from None
        for item in model.resources.values():
            if is_untyped(item):
                print(
                    f"{target}: resource {item.id} {item.name} has no type in the definition; "
                    "it is an integer until you add one",
                    file=sys.stderr,
                )
        if not json:
            print(f"{target}  class {class_name(model)}, object {model.id}")
    if json:
        print_json(
            [
                {"file": str(target), "class": class_name(model), "object": model.id}
                for model, target in targets
            ]
        )


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return str(error)

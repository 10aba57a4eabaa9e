"""Options and arguments that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

DEFAULT_URL = "http://127.0.0.1:8080"

Endpoint = Annotated[str, typer.Argument(metavar="EP", help="Endpoint name of the device.")]
OnlyEndpoint = Annotated[str | None, typer.Argument(metavar="[EP]", help="Only this device.")]
Paths = Annotated[
    list[str], typer.Argument(metavar="PATH...", help="For example /3303/0/5700 /3/0.")
]
PathArgument = Annotated[str, typer.Argument(metavar="PATH", help="For example /3/0/0.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ServerUrl = Annotated[
    str,
    typer.Option(
        "--server", envvar="LWM2M_HOST_URL", metavar="URL", help="Where the server's HTTP is."
    ),
]
Timeout = Annotated[
    float, typer.Option(metavar="SECONDS", min=0.1, max=3600, help="How long a device may take.")
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="Content format: tlv, senml-cbor, senml-json, lwm2m-cbor, json, cbor, text, opaque, "
        "or a number.",
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Send even what the definitions do not allow.")
]

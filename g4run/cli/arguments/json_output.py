"""The option `--json`, shared by every command that prints an answer."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, errors included.")]

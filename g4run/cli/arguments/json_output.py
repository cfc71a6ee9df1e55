"""The option `--json`, which every command with an answer takes."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, errors included.")]

"""`g4run show`: a model's details from its header, without loading it."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from g4run.cli.command import Json, command
from g4run.cli.open_hub import open_hub
from g4run.cli.output import Output
from g4run.errors import UsageError
from g4run.settings import read_settings
from g4run.units import render_bytes

if TYPE_CHECKING:
    from g4run.models.details import ModelDetails

_MISSING_NOTES: Final = {
    "template": "the file has no chat template",
    "system": "the model has no system message",
    "license": "neither the file nor the catalog names a license",
}


@command
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Model name, path of a GGUF file, or 'demo'.")],
    modelfile: Annotated[bool, typer.Option("--modelfile", help="Print only a Modelfile for this model.")] = False,
    parameters: Annotated[bool, typer.Option("--parameters", help="Print only the sampling defaults.")] = False,
    template: Annotated[bool, typer.Option("--template", help="Print only the chat template in the file.")] = False,
    system: Annotated[bool, typer.Option("--system", help="Print only the system message.")] = False,
    show_license: Annotated[bool, typer.Option("--license", help="Print only the license.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also print all metadata and tensors.")] = False,
    as_json: Json = False,
    *,
    output: Output,
) -> None:
    """Show what a model is and what it can do.

    For a model that is not on this machine, reads only the header of its file from the Hub.
    """
    from g4run.cli.views.show import details_value
    from g4run.models.details import inspect_details
    from g4run.models.library import Library
    from g4run.runtime.named_model import settle_name

    names = ("modelfile", "parameters", "template", "system", "license")
    wanted = (modelfile, parameters, template, system, show_license)
    parts = [part for part, is_wanted in zip(names, wanted, strict=True) if is_wanted]
    if len(parts) > 1:
        raise UsageError(f"--{parts[0]} and --{parts[1]} cannot be used together", f"g4run show {name} --{parts[0]}")
    library = Library(read_settings())
    full_name, choice = settle_name(library, name)
    if choice is not None:
        output.notes.write(f"{name} means {full_name} on this machine\n")
    details = inspect_details(library, full_name, partial(open_hub, library.settings))
    if details.wire_bytes is not None:
        source = f"from the Hub ({render_bytes(details.wire_bytes)})" if details.wire_bytes else "from the local cache"
        output.notes.write(f"read the header {source}\n")
    if parts:
        _show_part(parts[0], details, output, as_json=as_json)
    elif as_json:
        output.write_json(details_value(details, verbose=verbose))
    else:
        _show_all(details, output, verbose=verbose)


def _show_all(details: "ModelDetails", output: Output, *, verbose: bool) -> None:
    from g4run.cli.views.show import render_details, render_metadata, render_tensors
    from g4run.cli.views.tables import line_width

    width = line_width(output.answer)
    output.answer.write(render_details(details))
    if verbose:
        output.answer.write(render_metadata(details.header, width))
        output.answer.write(render_tensors(details.header, width))


def _show_part(part: str, details: "ModelDetails", output: Output, *, as_json: bool) -> None:
    from g4run.cli.views.show import license_value, render_license, render_modelfile, render_parameters, sampling_value

    texts = {
        "modelfile": render_modelfile(details),
        "parameters": render_parameters(details),
        "template": details.template or "",
        "license": render_license(details),
    }
    text = texts.get(part, "")
    if as_json:
        part_value: object = sampling_value(details) if part == "parameters" else text
        value = license_value(details) if part == "license" else {part: part_value}
        output.write_json({"name": details.name, **value})
    elif text:
        output.answer.write(text.removesuffix("\n") + "\n")
    else:
        output.notes.write(f"{_MISSING_NOTES.get(part, f'there is no {part}')}\n")

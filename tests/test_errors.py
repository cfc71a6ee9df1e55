"""How a failure is shown."""

from g4run.cli.views.errors import error_value, render_error
from g4run.errors import ModelNotFound, Pointer


def test_the_place_in_what_was_typed_is_marked() -> None:
    error = ModelNotFound("there is no size 26c", "did you mean gemma4:26b?", pointer=Pointer("gemma4:26c", 7, 10))
    assert render_error(error) == (
        "Error: there is no size 26c\n    gemma4:26c\n           ^^^\nHint: did you mean gemma4:26b?\n"
    )
    assert error_value(error) == {
        "error": {
            "code": "model_not_found",
            "message": "there is no size 26c",
            "hint": "did you mean gemma4:26b?",
            "pointer": {"text": "gemma4:26c", "start": 7, "end": 10},
        }
    }

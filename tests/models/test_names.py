import pytest

from g4run.models.names import ModelName, NameKind, parse_name


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("demo", NameKind.DEMO),
        ("./demo", NameKind.PATH),
        ("demo.gguf", NameKind.PATH),
        ("MODEL.GGUF", NameKind.PATH),
        ("models/demo", NameKind.PATH),
        ("/models/demo", NameKind.PATH),
        ("C:\\models\\demo", NameKind.PATH),
        ("~", NameKind.PATH),
        ("..", NameKind.PATH),
        ("gemma4:26b", NameKind.CATALOG),
        ("gemma4", NameKind.CATALOG),
        ("Demo", NameKind.CATALOG),
        ("", NameKind.CATALOG),
        ("hf.co/user/repository:Q8_0", NameKind.CATALOG),
        ("huggingface.co/user/repository", NameKind.CATALOG),
    ],
)
def test_a_name_is_told_from_a_path(text: str, kind: NameKind) -> None:
    assert parse_name(text) == ModelName(text, kind)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from g4run.errors import G4RunError, ModelNotFound, UsageError
from g4run.models.names.family import suggest_names
from g4run.models.names.parse import parse_custom_name, parse_name
from g4run.models.names.types import CustomName, DemoName, FamilyName, HubName, ModelName, PathName, Size


@pytest.mark.parametrize(
    ("text", "name", "canonical"),
    [
        ("demo", DemoName(), "demo"),
        ("DEMO:latest", DemoName(), "demo"),
        ("./demo", PathName("./demo"), "./demo"),
        ("demo.gguf", PathName("demo.gguf"), "demo.gguf"),
        ("MODEL.GGUF", PathName("MODEL.GGUF"), "MODEL.GGUF"),
        ("models/demo", PathName("models/demo"), "models/demo"),
        ("C:\\models\\demo", PathName("C:\\models\\demo"), "C:\\models\\demo"),
        ("c:demo", PathName("c:demo"), "c:demo"),
        ("~", PathName("~"), "~"),
        ("..", PathName(".."), ".."),
        ("a b/c\n", PathName("a b/c\n"), "a b/c\n"),
        ("gemma4", FamilyName(Size.E4B), "gemma4:e4b"),
        ("Gemma4:Latest", FamilyName(Size.E4B), "gemma4:e4b"),
        ("gemma4:e2b", FamilyName(Size.E2B), "gemma4:e2b"),
        ("gemma4:12b", FamilyName(Size.DENSE_12B), "gemma4:12b"),
        ("gemma4:26b", FamilyName(Size.A4B_26B), "gemma4:26b"),
        ("gemma4:31B", FamilyName(Size.DENSE_31B), "gemma4:31b"),
        ("gemma4:26b-a4b", FamilyName(Size.A4B_26B), "gemma4:26b"),
        ("gemma4:26b-it", FamilyName(Size.A4B_26B), "gemma4:26b"),
        ("gemma4:26b-a4b-it-q4_K_M", FamilyName(Size.A4B_26B, False, "Q4_K_M"), "gemma4:26b-q4_k_m"),
        ("gemma4:e4b-it-q8_0", FamilyName(Size.E4B, False, "Q8_0"), "gemma4:e4b-q8_0"),
        ("gemma4:12b-it-bf16", FamilyName(Size.DENSE_12B, False, "BF16"), "gemma4:12b-bf16"),
        ("gemma4:12b-it-qat", FamilyName(Size.DENSE_12B, True), "gemma4:12b-qat"),
        ("gemma4:26b-a4b-it-qat-q4_0", FamilyName(Size.A4B_26B, True, "Q4_0"), "gemma4:26b-qat-q4_0"),
        ("gemma4:26b-q5_k_m", FamilyName(Size.A4B_26B, False, "Q5_K_M"), "gemma4:26b-q5_k_m"),
        ("gemma4:31b:UD-Q4_K_XL", FamilyName(Size.DENSE_31B, False, "UD-Q4_K_XL"), "gemma4:31b-ud-q4_k_xl"),
        ("gemma4:26b-qat:UD-Q4_K_XL", FamilyName(Size.A4B_26B, True, "UD-Q4_K_XL"), "gemma4:26b-qat-ud-q4_k_xl"),
        ("GEMMA4:26B-QAT-UD-Q4_K_XL", FamilyName(Size.A4B_26B, True, "UD-Q4_K_XL"), "gemma4:26b-qat-ud-q4_k_xl"),
        ("hf.co/User/Repo", HubName("User/Repo"), "hf.co/User/Repo"),
        ("hf.co/User/Repo/", HubName("User/Repo"), "hf.co/User/Repo"),
        ("huggingface.co/User/Repo:latest", HubName("User/Repo"), "hf.co/User/Repo"),
        ("HF.co/User/Repo:q8_0", HubName("User/Repo", "Q8_0"), "hf.co/User/Repo:Q8_0"),
        ("hf.co/u/r@v1.0:ud-q4_k_xl", HubName("u/r", "UD-Q4_K_XL", None, "v1.0"), "hf.co/u/r@v1.0:UD-Q4_K_XL"),
        ("hf.co/u/r/BF16/x.gguf", HubName("u/r", None, "BF16/x.gguf"), "hf.co/u/r/BF16/x.gguf"),
        ("hf.co/u/r@abc/x y.GGUF", HubName("u/r", None, "x y.GGUF", "abc"), "hf.co/u/r@abc/x y.GGUF"),
        ("hf.co/u/r@main/x.gguf", HubName("u/r", None, "x.gguf"), "hf.co/u/r/x.gguf"),
        ("https://huggingface.co/u/r", HubName("u/r"), "hf.co/u/r"),
        ("http://www.huggingface.co/u/r/tree/v2", HubName("u/r", revision="v2"), "hf.co/u/r@v2"),
        ("https://huggingface.co/u/r/blob/main/a/x.gguf", HubName("u/r", None, "a/x.gguf"), "hf.co/u/r/a/x.gguf"),
        (
            "https://huggingface.co/u/r/resolve/refs%2Fpr%2F1/x%20y.gguf?download=true",
            HubName("u/r", None, "x y.gguf", "refs/pr/1"),
            "hf.co/u/r@refs%2Fpr%2F1/x y.gguf",
        ),
        ("hf.co/u/r/resolve/main/x.gguf", HubName("u/r", None, "x.gguf"), "hf.co/u/r/x.gguf"),
        ("hf.co/u/r@main/blob/a/x.gguf", HubName("u/r", None, "blob/a/x.gguf"), "hf.co/u/r@main/blob/a/x.gguf"),
        ("mine", CustomName("mine"), "mine"),
        ("My-Model_1.5:v2", CustomName("my-model_1.5:v2"), "my-model_1.5:v2"),
        ("mine:LATEST", CustomName("mine"), "mine"),
        ("gema4", CustomName("gema4"), "gema4"),
        ("gemma4-mine", CustomName("gemma4-mine"), "gemma4-mine"),
        ("gemma-4-26b-32k", CustomName("gemma-4-26b-32k"), "gemma-4-26b-32k"),
    ],
)
def test_a_name_is_parsed(text: str, name: ModelName, canonical: str) -> None:
    parsed = parse_name(text)
    assert (parsed, parsed.text) == (name, canonical)
    assert parse_name(canonical) == name


def mark(error: G4RunError) -> str:
    """Return the part of the name that an error points at."""
    assert error.pointer is not None
    return error.pointer.text[error.pointer.start : error.pointer.end]


@pytest.mark.parametrize(
    ("text", "marked", "hint"),
    [
        ("gema4:26b", "gema4", "did you mean gemma4:26b?"),
        ("Gemma:26B-q8_0", "Gemma", "did you mean gemma4:26b-q8_0?"),
        ("gemma4:27b", "27b", "did you mean gemma4:26b or gemma4:12b?"),
        ("gemma4:27b-q8_0", "27b", "did you mean gemma4:26b-q8_0 or gemma4:12b-q8_0?"),
        ("gemma4:4b", "4b", "did you mean gemma4:e4b?"),
        ("gemma4:q8_0", "q8_0", "did you mean gemma4:e4b-q8_0?"),
        ("gemma4:mine", "mine", "the sizes are gemma4:e2b, gemma4:e4b, gemma4:12b, gemma4:26b, gemma4:31b"),
        ("gemma4:", "", "the sizes are gemma4:e2b, gemma4:e4b, gemma4:12b, gemma4:26b, gemma4:31b"),
        ("gemma4:31b-a4b-it", "a4b", "did you mean gemma4:26b-a4b?"),
        ("gemma-4", "gemma-4", "did you mean gemma4?"),
        ("gemma-4-26b", "gemma-4-", "did you mean gemma4:26b?"),
        ("gemma-4-26B-A4B-it-Q8_0", "gemma-4-", "did you mean gemma4:26b-q8_0?"),
        ("gemma4-26b", "gemma4-", "did you mean gemma4:26b?"),
        (
            "gemma4:26b-q5km",
            "q5km",
            "did you mean gemma4:26b-q5_k_m or gemma4:26b-ud-q5_k_m or gemma4:26b-q5_k_s?",
        ),
        ("gemma4:26b-qat-rubbish", "rubbish", "did you mean gemma4:26b-qat?"),
        ("gemma3:4b", "gemma3", "did you mean gemma4:e4b?"),
        ("gemma3n", "gemma3n", "the sizes are gemma4:e2b, gemma4:e4b, gemma4:12b, gemma4:26b, gemma4:31b"),
        ("gemma4:26b-mlx", "mlx", "did you mean gemma4:26b?"),
        ("gemma4:12b-mlx-bf16", "mlx", "did you mean gemma4:12b?"),
        ("gemma4:e2b-NVFP4", "NVFP4", "did you mean gemma4:e2b?"),
        ("gemma4:31b-it-mxfp8", "mxfp8", "did you mean gemma4:31b?"),
        ("gemma4:31b-cloud", "cloud", "did you mean gemma4:31b?"),
        ("gemma4:cloud", "cloud", "did you mean gemma4:e4b?"),
        ("hf.co/u/r:q8", "q8", "did you mean hf.co/u/r:Q8_0?"),
        ("hf.co/u/r:xyz", "xyz", "name the file itself: hf.co/u/r/FILE.gguf"),
    ],
)
def test_a_typo_is_marked_and_corrected(text: str, marked: str, hint: str) -> None:
    with pytest.raises(ModelNotFound) as raised:
        parse_name(text)
    assert (mark(raised.value), raised.value.hint) == (marked, hint)
    assert raised.value.pointer is not None
    assert raised.value.pointer.text == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("gemma4:26b-mlx", "MLX files run only on Apple's MLX library and are not GGUF files"),
        ("gemma4:cloud", "cloud models run on Ollama's servers, not on this machine"),
    ],
)
def test_a_tag_without_a_file_says_why(text: str, reason: str) -> None:
    with pytest.raises(ModelNotFound) as raised:
        parse_name(text)
    assert raised.value.message == f"{text} is not available: {reason}"


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("two words", " "),
        ("müller", "ü"),
        ("-rf", "-"),
        ("name:", "name:"),
        ("name:a:b", ":"),
        ("x.gguf:latest", "x.gguf"),
        ("a" * 81, "a"),
        ("hf.co", ""),
        ("hf.co:latest", "hf.co"),
        ("hf.co/user", ""),
        ("hf.co/us er/r", "us er"),
        ("hf.co/u/--r", "--r"),
        ("hf.co/u/r/x.txt", "x.txt"),
        ("hf.co/u/r/Q4_K_M", "Q4_K_M"),
        ("hf.co/u/r/../x.gguf", "../x.gguf"),
        ("hf.co/u/r/a//x.gguf", "a//x.gguf"),
        ("hf.co/u/r/x.gguf:Q8_0", "x.gguf:Q8_0"),
        ("hf.co/u/r:Q8_0/x.gguf", "Q8_0"),
        ("hf.co/u/r@/x.gguf", ""),
        ("hf.co/u/r@../x.gguf", ".."),
        ("https://huggingface.co/u/r/resolve/main/%2e%2e/x.gguf", "%2e%2e/x.gguf"),
        ("https://ollama.com/library/gemma4", "https://ollama.com"),
        ("ftp://huggingface.co/u/r", "ftp://huggingface.co"),
    ],
)
def test_an_invalid_name_is_marked(text: str, marked: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_name(text)
    assert mark(raised.value) == marked


def test_an_empty_name() -> None:
    with pytest.raises(UsageError) as raised:
        parse_name("")
    assert raised.value.message == "the model name is empty"


def test_a_quantization_as_a_folder_is_corrected() -> None:
    with pytest.raises(UsageError) as raised:
        parse_name("hf.co/u/r/q4_k_m")
    assert raised.value.hint == "did you mean hf.co/u/r:Q4_K_M?"


def test_a_custom_name() -> None:
    assert parse_custom_name("My-Gemma:fast") == CustomName("my-gemma:fast")
    assert parse_custom_name("a" * 80) == CustomName("a" * 80)


@pytest.mark.parametrize(
    "text",
    ["demo", "Demo:latest", "gemma4", "gemma4:26b", "gemma4:mine", "gemma-4-26b", "hf.co/u/r", "./x", "x.gguf", "a b"],
)
def test_a_name_with_another_meaning_is_not_a_custom_name(text: str) -> None:
    with pytest.raises(UsageError):
        parse_custom_name(text)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("gema4", "gemma4"),
        ("26b", "gemma4:26b"),
        ("gemma-26b", "gemma4:26b"),
        ("e4b-q8_0", "gemma4:e4b-q8_0"),
        ("my-modle", "my-model"),
        ("dmo", "demo"),
    ],
)
def test_the_nearest_name_comes_first(text: str, names: str) -> None:
    assert suggest_names(text, ["other", "my-model"])[0] == names


def test_nothing_is_like_nonsense() -> None:
    assert suggest_names("qqqqqq", ["my-model"]) == ()


pieces = st.sampled_from(
    [
        *("gemma4", "gemma", "-", "_", ".", ":", "/", "\\", "@", "%2F", "%", "?", "#", "~", " ", "26b", "e4b", "a4b"),
        *("it", "qat", "q4_0", "UD-Q4_K_XL", "latest", "LATEST", "hf.co", "huggingface.co", "https://", "u", "r"),
        *("blob", "resolve", "tree", "main", "x.gguf", ".gguf", "..", "demo", "cloud", "mine", "İ", "K", "\0", "\n"),
    ]
)


@given(st.lists(pieces, max_size=9).map("".join) | st.text(max_size=30))
def test_any_text_is_a_name_or_an_error_that_points_into_it(text: str) -> None:
    try:
        name = parse_name(text)
    except G4RunError as error:
        if error.pointer:
            assert error.pointer.text == text
            assert 0 <= error.pointer.start <= error.pointer.end <= len(text)
        return
    assert parse_name(name.text) == name
    assert parse_name(name.text).text == name.text


@given(st.lists(pieces, max_size=6).map("".join) | st.text(max_size=30))
def test_a_custom_name_parses_to_itself(text: str) -> None:
    try:
        name = parse_custom_name(text)
    except UsageError:
        return
    assert parse_name(name.text) == name


@given(st.text(max_size=20), st.lists(st.text(max_size=10), max_size=4))
def test_suggestions_are_names_that_parse(text: str, known: list[str]) -> None:
    for name in suggest_names(text, known):
        assert name in known or parse_name(name)

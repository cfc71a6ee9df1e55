"""Parse gemma4:SIZE[-a4b][-it][-qat][-QUANTIZATION], in Ollama's spelling too, and suggest names for typos."""

import re
from collections.abc import Iterable

from g4run.errors import ModelNotFound, Pointer
from g4run.models.names.types import DEFAULT_SIZE, DEMO, FAMILY, FamilyName, Size
from g4run.models.quantizations import QUANTIZATIONS, normalize_quantization
from g4run.suggestions import MAX_SUGGESTIONS, did_you_mean, find_similar, similarity

_FLAGS = re.IGNORECASE | re.ASCII | re.DOTALL
_TAG = re.compile(
    r"(?P<size>[^-:]+)(?P<experts>-a4b)?(?:-it)?(?P<qat>-qat)?(?:[-:](?P<quantization>.+))?",
    _FLAGS,
)
_LATEST = "latest"
_NOT_GGUF = {
    "mlx": "MLX files run only on Apple's MLX library and are not GGUF files",
    "nvfp4": "NVFP4 models are published for other runners, not as GGUF files",
    "mxfp8": "MXFP8 models are published for other runners, not as GGUF files",
    "cloud": "cloud models run on Ollama's servers, not on this machine",
}
_WORD = re.compile(r"[^-:]+")
_LIKE_FAMILY = re.compile(r"gemma[-_. ]?4(?P<joint>[-_.:]|$)", _FLAGS)  # gemma-4-26b, gemma4-26b, gemma-4:26b
_OTHER_GEMMA = re.compile(r"(?:code)?gemma[-_.]?(?:[0-35-9]|[1-9][0-9]+)n?(?=:|$)", _FLAGS)  # gemma3:4b, gemma3n
_MIN_SIMILARITY = 0.72  # of the part before the colon to `gemma4`, to count as a typo
_SIZES = ", ".join(f"{FAMILY}:{size}" for size in Size)


def parse_family(text: str) -> FamilyName | None:
    """Parse a `gemma4` name; return None if the part before the colon is not `gemma4`.

    Raises ModelNotFound with the nearest names if the size or the quantization does not exist.
    """
    head = text.split(":", 1)[0]
    if head.lower() != FAMILY:
        return None
    return FamilyName(DEFAULT_SIZE) if head == text else _parse_tag(text, len(head) + 1)


def check_typo(name: str) -> None:
    """Raise ModelNotFound for names that look like `gemma4` names: gemma4-26b, gema4:26b, gemma3:4b."""
    other = _OTHER_GEMMA.match(name)
    if other:
        near = _similar_sizes(name[other.end() + 1 :])
        raise ModelNotFound(
            f"{name} is not a Gemma 4 model, and g4run runs only Gemma 4",
            _hint(near),
            pointer=Pointer(name, 0, other.end()),
        )
    match = _LIKE_FAMILY.match(name)
    if match and match.group() != FAMILY:
        _check_tag(name, match.end(), match.end())
    head, colon, _ = name.partition(":")
    if colon and similarity(head, FAMILY) >= _MIN_SIMILARITY:
        _check_tag(name, len(head) + 1, len(head))


def suggest_names(text: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the most similar names among `known` and the `gemma4` names, the most similar first."""
    meant = _find_family(re.sub(r"^gem+a?[-_. ]?4?[-_.:]?", "", text, flags=_FLAGS))
    names = [*known, FAMILY, *(f"{FAMILY}:{size}" for size in Size), DEMO]
    first = [meant.text] if meant else []
    return tuple(dict.fromkeys([*first, *find_similar(text, names)]))[:MAX_SUGGESTIONS]


def _check_tag(name: str, tag_start: int, wrong_end: int) -> None:
    """Raise ModelNotFound if the text from `tag_start` on is empty or a `gemma4` tag."""
    found = _find_family(name[tag_start:])
    if found is None and tag_start < len(name):
        return
    meant = found.text if found else FAMILY
    raise ModelNotFound(f"there is no model named {name}", _hint((meant,)), pointer=Pointer(name, 0, wrong_end))


def _find_family(tag: str) -> FamilyName | None:
    try:
        return _parse_tag(f"{FAMILY}:{tag}", len(FAMILY) + 1)
    except ModelNotFound:
        return None


def _parse_tag(text: str, start: int) -> FamilyName:
    _check_gguf(text, start)
    match = _TAG.fullmatch(text, start)
    if match is None:
        place = Pointer(text, start, len(text))
        raise ModelNotFound(f"{text} does not name a size", f"the sizes are {_SIZES}", pointer=place)
    size = _find_size(match["size"])
    if size is None:
        place = Pointer(text, match.start("size"), match.end("size"))
        rest = text[match.end("size") :]
        near = _similar_sizes(match["size"], rest)
        raise ModelNotFound(f"{FAMILY} has no size {match['size']}", _hint(near), pointer=place)
    if match["experts"] and size is not Size.A4B_26B:
        place = Pointer(text, match.start("experts") + 1, match.end("experts"))
        raise ModelNotFound(f"{FAMILY}:{size} is not an A4B model", _hint((f"{FAMILY}:26b-a4b",)), pointer=place)
    return FamilyName(size, match["qat"] is not None, _parse_quantization(text, size, match))


def _parse_quantization(text: str, size: Size, match: re.Match[str]) -> str | None:
    typed = match["quantization"]
    if typed is None:
        return None
    quantization = normalize_quantization(typed)
    if quantization is None:
        qat = match["qat"] is not None
        near = [FamilyName(size, qat, tag).text for tag in find_similar(typed, QUANTIZATIONS)]
        place = Pointer(text, match.start("quantization"), match.end("quantization"))
        hint = _hint(near or [FamilyName(size, qat).text])
        raise ModelNotFound(f"{typed} is not a quantization", hint, pointer=place)
    return quantization


def _check_gguf(text: str, start: int) -> None:
    """Raise ModelNotFound for Ollama tags that are not GGUF files."""
    for word in _WORD.finditer(text, start):
        reason = _NOT_GGUF.get(word.group().lower())
        if reason:
            size = _find_size(re.split("[-:]", text[start:])[0]) or DEFAULT_SIZE
            place = Pointer(text, word.start(), word.end())
            raise ModelNotFound(f"{text} is not available: {reason}", _hint((f"{FAMILY}:{size}",)), pointer=place)


def _find_size(typed: str) -> Size | None:
    text = typed.lower()
    return DEFAULT_SIZE if text == _LATEST else next((size for size in Size if size == text), None)


def _similar_sizes(size: str, rest: str = "") -> tuple[str, ...]:
    """Return names of the most similar sizes, with the rest of the tag if it is valid; the most similar first."""
    without_size = _find_family(f"{DEFAULT_SIZE}-{size}{rest}")
    if without_size:
        return (without_size.text,)
    likeness = {member: similarity(size, member) for member in Size}
    near = sorted(
        (member for member in Size if likeness[member] >= 0.5), key=lambda m: (-likeness[m], _difference(size, m))
    )
    names = (_find_family(f"{member}{rest}") or FamilyName(member) for member in near[:2])
    return tuple(dict.fromkeys(name.text for name in names))


def _difference(typed: str, size: Size) -> int:
    """Return the difference between the numbers in two sizes."""
    digits = re.findall(r"[0-9]{1,4}", typed)
    return abs(int(digits[0] if digits else 0) - int(re.sub(r"[^0-9]", "", size)))


def _hint(names: Iterable[str]) -> str:
    return did_you_mean(names, f"the sizes are {_SIZES}")

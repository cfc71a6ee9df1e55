"""Names of the family: gemma4:SIZE[-a4b][-it][-qat][-QUANTIZATION], Ollama's spelling of them, and near misses."""

import re
from collections.abc import Iterable

from g4run.errors import ModelNotFound, Pointer
from g4run.models.names.types import DEFAULT_SIZE, DEMO, FAMILY, FamilyName, Size
from g4run.models.quantizations import QUANTIZATIONS, normalize_quantization
from g4run.suggestions import MOST_SUGGESTIONS, did_you_mean, find_similar, similarity

_FLAGS = re.IGNORECASE | re.ASCII | re.DOTALL
_TAG = re.compile(
    r"(?P<size>[^-:]+)(?P<experts>-a4b)?(?:-it)?(?P<qat>-qat)?(?:[-:](?P<quantization>.+))?",
    _FLAGS,
)
_LATEST = "latest"
_NOT_GGUF = {
    "mlx": "MLX files run on Apple's own library only, and are not GGUF files",
    "nvfp4": "NVFP4 models are published for other runners, not as GGUF files",
    "mxfp8": "MXFP8 models are published for other runners, not as GGUF files",
    "cloud": "cloud models run on Ollama's servers, not on this machine",
}
_WORD = re.compile(r"[^-:]+")
_LIKE_FAMILY = re.compile(r"gemma[-_. ]?4(?P<joint>[-_.:]|$)", _FLAGS)  # gemma-4-26b, gemma4-26b, gemma-4:26b
_OTHER_GEMMA = re.compile(r"(?:code)?gemma[-_.]?(?:[0-35-9]|[1-9][0-9]+)n?(?=:|$)", _FLAGS)  # gemma3:4b, gemma3n
_LIKENESS = 0.72  # similarity at which the part before the colon is taken for a misspelt `gemma4`
_SIZES = ", ".join(f"{FAMILY}:{size}" for size in Size)


def parse_family(text: str) -> FamilyName | None:
    """A name of the family; None where the text does not begin with `gemma4` and a colon.

    Raises ModelNotFound with the nearest names where the size or the quantization does not exist.
    """
    head = text.split(":", 1)[0]
    if head.lower() != FAMILY:
        return None
    return FamilyName(DEFAULT_SIZE) if head == text else _parse_tag(text, len(head) + 1)


def check_no_misspelling(name: str) -> None:
    """Raises ModelNotFound for names that are almost of the family: gemma4-26b, gema4:26b, gemma3:4b."""
    other = _OTHER_GEMMA.match(name)
    if other:
        near = _family_names_like(name[other.end() + 1 :])
        raise ModelNotFound(
            f"{name} is not a Gemma 4, and g4run runs no other model",
            _hint(near),
            pointer=Pointer(name, 0, other.end()),
        )
    match = _LIKE_FAMILY.match(name)
    if match and match.group() != FAMILY:
        _check_slip(name, match.end(), match.end())
    head, colon, _ = name.partition(":")
    if colon and similarity(head, FAMILY) >= _LIKENESS:
        _check_slip(name, len(head) + 1, len(head))


def suggest_names(text: str, known: Iterable[str]) -> tuple[str, ...]:
    """The names most like one that does not exist, among `known` ones and the family's; nearest first."""
    meant = _find_family(re.sub(r"^gem+a?[-_. ]?4?[-_.:]?", "", text, flags=_FLAGS))
    names = [*known, FAMILY, *(f"{FAMILY}:{size}" for size in Size), DEMO]
    first = [meant.text] if meant else []
    return tuple(dict.fromkeys([*first, *find_similar(text, names)]))[:MOST_SUGGESTIONS]


def _check_slip(name: str, tag_start: int, wrong_end: int) -> None:
    """Raises ModelNotFound if what begins at `tag_start` is a tag of the family, or nothing."""
    tag = name[tag_start:]
    meant = FAMILY if not tag else _find_family(tag)
    if meant is None:
        return
    meant = meant if isinstance(meant, str) else meant.text
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
        raise ModelNotFound(f"{text} names no size", f"the sizes are {_SIZES}", pointer=Pointer(text, start, len(text)))
    size = _find_size(match["size"])
    if size is None:
        place = Pointer(text, match.start("size"), match.end("size"))
        rest = text[match.end("size") :]
        near = _family_names_like(match["size"], rest)
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
        near = [FamilyName(size, qat, tag).text for tag in similar_quantizations(typed)]
        place = Pointer(text, match.start("quantization"), match.end("quantization"))
        hint = _hint(near or [FamilyName(size, qat).text])
        raise ModelNotFound(f"{typed} is no quantization", hint, pointer=place)
    return quantization


def similar_quantizations(typed: str) -> tuple[str, ...]:
    """The canonical tags that look most like what was typed, nearest first."""
    return find_similar(typed, QUANTIZATIONS)


def _check_gguf(text: str, start: int) -> None:
    """Raises ModelNotFound for Ollama's tags that are no GGUF files."""
    for word in _WORD.finditer(text, start):
        reason = _NOT_GGUF.get(word.group().lower())
        if reason:
            size = _find_size(re.split("[-:]", text[start:])[0]) or DEFAULT_SIZE
            place = Pointer(text, word.start(), word.end())
            raise ModelNotFound(f"{text} is not available: {reason}", _hint((f"{FAMILY}:{size}",)), pointer=place)


def _find_size(typed: str) -> Size | None:
    text = typed.lower()
    return DEFAULT_SIZE if text == _LATEST else next((size for size in Size if size == text), None)


def _family_names_like(size: str, rest: str = "") -> tuple[str, ...]:
    """Names of the sizes most like a typed one, with the rest of the tag where that is right; nearest first."""
    without_size = _find_family(f"{DEFAULT_SIZE}-{size}{rest}")
    if without_size:
        return (without_size.text,)
    likeness = {member: similarity(size, member) for member in Size}
    near = sorted((member for member in Size if likeness[member] >= 0.5), key=lambda m: (-likeness[m], _gap(size, m)))
    names = (_find_family(f"{member}{rest}") or FamilyName(member) for member in near[:2])
    return tuple(dict.fromkeys(name.text for name in names))


def _gap(typed: str, size: Size) -> int:
    """How far the numbers in two sizes are apart."""
    digits = re.findall(r"[0-9]{1,4}", typed)
    return abs(int(digits[0] if digits else 0) - int(re.sub(r"[^0-9]", "", size)))


def _hint(names: Iterable[str]) -> str:
    return did_you_mean(names, f"the sizes are {_SIZES}")

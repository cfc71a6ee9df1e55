"""What the catalog says: sizes, files, and what belongs to them."""

from dataclasses import dataclass

from g4run.models.names.parse import Size


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a file does, by somebody's measurement; figures of different metrics do not compare."""

    value: float
    metric: str
    source: str
    is_confirmed: bool  # False: seen once, or it is not certain that this very file was measured


@dataclass(frozen=True, slots=True)
class CompanionFile:
    """A projector or a drafter; it may lie in another repository than the model."""

    repository: str
    path: str
    size_bytes: int | None
    size_is_exact: bool  # False: rounded where it was read
    sha256: str | None
    path_is_confirmed: bool  # False: inferred from how the publisher names files


@dataclass(frozen=True, slots=True)
class CatalogFile:
    """A model: one file, or the parts of one in order."""

    name: str  # which parses and resolves to this very file: "gemma4:26b-qat-q4_0", else "hf.co/…"
    repository: str
    paths: tuple[str, ...]
    quantization: str
    size: Size
    parameters: int
    is_qat: bool
    size_bytes: int  # of all parts
    size_is_exact: bool  # False: rounded where it was read, or computed
    path_is_confirmed: bool  # False: inferred from how the publisher names files
    sha256: str | None  # None where unknown, and for parts
    revision: str | None  # the commit that size and digest were read at, where known
    quality: Quality | None
    projector: CompanionFile | None
    drafter: CompanionFile | None

    @property
    def path(self) -> str:
        """The path of the file, or of its first part."""
        return self.paths[0]

    @property
    def bits_per_weight(self) -> float:
        """Bits in the file for each parameter, everything counted."""
        return self.size_bytes * 8 / self.parameters


@dataclass(frozen=True, slots=True)
class SizeFacts:
    """A member of the family."""

    size: Size
    label: str  # as inspect_architecture says it: "26B A4B"
    parameters: int  # in the model file
    parameters_with_encoders: int
    context_length: int  # tokens the model was trained for
    modalities: tuple[str, ...]
    default: CatalogFile  # what the size's name alone means


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the publisher says tokens are to be drawn."""

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    source: str

"""The catalog's values: sizes, files, and their companions."""

import msgspec

from g4run.models.names.types import Size


class Quality(msgspec.Struct, frozen=True):
    """A published quality measurement of a file; values of different metrics are not comparable."""

    value: float
    metric: str
    source: str
    is_confirmed: bool  # False: seen once, or possibly measured on another file


class Benchmark(msgspec.Struct, frozen=True):
    """A published benchmark of the sizes, unquantized and with thinking; higher is better."""

    name: str
    unit: str  # "%" of right answers, or BLEU
    scores: dict[Size, float]  # without the sizes that have no published figure


class CompanionFile(msgspec.Struct, frozen=True):
    """A projector or drafter; it may be in another repository than the model."""

    repository: str
    path: str
    size_bytes: int | None
    size_is_exact: bool  # False: the source rounded it
    sha256: str | None
    path_is_confirmed: bool  # False: inferred from the publisher's naming scheme


class ListedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model as its repository lists it: one file, or the parts of a split model in order."""

    paths: tuple[str, ...]
    quantization: str
    size_bytes: int  # of all parts
    size_is_exact: bool = True  # False: the source rounded it
    path_is_confirmed: bool = True  # False: inferred from the publisher's naming scheme
    sha256: str | None = None  # None if unknown, and for split models
    revision: str | None = None  # commit that size and digest belong to, if known
    quality: Quality | None = None


class CatalogFile(ListedModel, frozen=True, kw_only=True):
    """A model with its name, its repository, and its companions."""

    name: str  # resolves to this file: "gemma4:26b-qat-q4_0", or "hf.co/…"
    repository: str
    size: Size
    parameters: int
    is_qat: bool
    projector: CompanionFile | None = None
    drafter: CompanionFile | None = None

    @property
    def path(self) -> str:
        """The path of the file or of its first part."""
        return self.paths[0]

    @property
    def bits_per_weight(self) -> float:
        """The file's bits per parameter, everything included."""
        return self.size_bytes * 8 / self.parameters


class SizeSource(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one Gemma 4 size without its files."""

    label: str  # as inspect_architecture returns it: "26B A4B"
    parameters: int  # in the model file
    parameters_with_encoders: int
    context_length: int  # trained context, in tokens
    modalities: tuple[str, ...]


class SizeFacts(SizeSource, frozen=True, kw_only=True):
    """The facts of one Gemma 4 size."""

    size: Size
    default: CatalogFile  # the file for a name without a quantization


class Sampling(msgspec.Struct, frozen=True):
    """The sampling settings that the publisher recommends."""

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    source: str

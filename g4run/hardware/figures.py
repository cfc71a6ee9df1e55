"""The numbers of a machine, with the bounds that msgspec holds them to when it reads a file."""

from typing import Annotated, Final, TypeAlias

from msgspec import Meta

_MOST: Final = 2**63 - 1

Count: TypeAlias = Annotated[int, Meta(ge=0, le=_MOST)]
PositiveCount: TypeAlias = Annotated[int, Meta(ge=1, le=_MOST)]
Rate: TypeAlias = Annotated[float, Meta(gt=0, le=1e24)]

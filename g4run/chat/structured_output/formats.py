"""String formats as regular expressions. Each permits a subset of what its standard allows, and nothing else."""

from collections.abc import Mapping
from typing import Final

_YEAR: Final = "(000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})"
_LEAP_YEAR: Final = (
    "(0(0(0[48]|[2468][048]|[13579][26]))|(0[1-9]|[1-9][0-9])(0[48]|[2468][048]|[13579][26])"
    "|(0[48]|[2468][048]|[13579][26])00)"
)
_MONTH_AND_DAY: Final = (
    "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
)
_DATE: Final = f"({_YEAR}-{_MONTH_AND_DAY}|{_LEAP_YEAR}-02-29)"
_CLOCK: Final = "([01][0-9]|2[0-3]):[0-5][0-9]"
_TIME: Final = rf"{_CLOCK}:[0-5][0-9](\.[0-9]{{1,9}})?(Z|[+-]{_CLOCK})"
_DURATION_TIME: Final = "T([0-9]{1,9}H([0-9]{1,9}M([0-9]{1,9}S)?)?|[0-9]{1,9}M([0-9]{1,9}S)?|[0-9]{1,9}S)"
_DURATION_DATE: Final = "([0-9]{1,9}Y([0-9]{1,9}M([0-9]{1,9}D)?)?|[0-9]{1,9}M([0-9]{1,9}D)?|[0-9]{1,9}D)"
_DURATION: Final = f"P({_DURATION_DATE}({_DURATION_TIME})?|{_DURATION_TIME}|[0-9]{{1,9}}W)"
_LABEL: Final = "[A-Za-z0-9]+(-[A-Za-z0-9]+)*"  # no double hyphen: Punycode would have to decode
_BYTE: Final = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4: Final = rf"({_BYTE}\.){{3}}{_BYTE}"
_GROUP: Final = "[0-9a-fA-F]{1,4}"
_IPV6: Final = "|".join(
    (
        f"({_GROUP}:){{7}}{_GROUP}",
        *(
            f"{f'({_GROUP}:){{{before - 1}}}{_GROUP}' if before else ''}::({_GROUP}(:{_GROUP}){{0,{6 - before}}})?"
            for before in range(7)
        ),
        f"({_GROUP}:){{6}}{_GROUP}::",
        f"({_GROUP}:){{6}}{_IPV4}",
        f"::([fF]{{4}}:)?{_IPV4}",
    )
)
_PATH_CHARACTER: Final = "([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_QUERY: Final = rf"(\?({_PATH_CHARACTER}|[/?])*)?(#({_PATH_CHARACTER}|[/?])*)?"
_HOST: Final = rf"{_LABEL}(\.{_LABEL})*"
_AUTHORITY: Final = f"{_HOST}(:[0-9]{{1,5}})?"
_PATH: Final = f"(/{_PATH_CHARACTER}*)*"
_URI: Final = rf"[A-Za-z][A-Za-z0-9+.-]*:(//{_AUTHORITY}{_PATH}|{_PATH_CHARACTER}+{_PATH}){_QUERY}"
_EMAIL_NAME: Final = r"[A-Za-z0-9_%+-]+(\.[A-Za-z0-9_%+-]+)*"
_SHORT_LABELS: Final = (
    "([A-Za-z0-9-]{1,30}\\.){0,7}[A-Za-z0-9-]{1,30}"  # keeps labels and the whole within their limits
)

STRING_FORMATS: Final[Mapping[str, tuple[str, ...]]] = {
    "date": (_DATE,),
    "time": (_TIME,),
    "date-time": (f"{_DATE}T{_TIME}",),
    "duration": (_DURATION,),
    "uuid": ("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",),
    **dict.fromkeys(
        ("email", "idn-email"),
        (rf"{_EMAIL_NAME}@{_LABEL}(\.{_LABEL})*\.[A-Za-z]{{2,20}}", f"[^@]{{1,64}}@{_SHORT_LABELS}"),
    ),
    **dict.fromkeys(("hostname", "idn-hostname"), (_HOST, _SHORT_LABELS)),
    "ipv4": (_IPV4,),
    "ipv6": (_IPV6,),
    **dict.fromkeys(("uri", "iri"), (_URI,)),
    **dict.fromkeys(("uri-reference", "iri-reference"), (f"({_URI})|{_PATH}{_QUERY}",)),
    "json-pointer": ("(/([^~/]|~[01])*)*",),
    "byte": ("([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",),
}
"""Expressions that the whole string must match, all of them.

Narrower than the standards: no leap seconds, uppercase T and Z only, ASCII names, labels of at most 30 letters.
"""

INTEGER_FORMATS: Final[Mapping[str, tuple[int, int]]] = {
    **{f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
"""The least and the greatest integer of each format."""
FORMATS: Final = frozenset({"float", "double", "binary", "password", *INTEGER_FORMATS, *STRING_FORMATS})
"""All known formats. Those that constrain neither strings nor integers are annotations."""

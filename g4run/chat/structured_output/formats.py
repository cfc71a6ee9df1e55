"""The formats of strings as regular expressions, each a part of what its standard allows and nothing beyond it."""

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
_LABEL: Final = "[A-Za-z0-9]+(-[A-Za-z0-9]+)*"  # without the double hyphen of Punycode, which would have to decode
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
_SHORT_LABELS: Final = "([A-Za-z0-9-]{1,30}\\.){0,7}[A-Za-z0-9-]{1,30}"  # so that labels and whole stay within limits
_POINTER: Final = "(/([^~/]|~[01])*)*"

STRING_FORMATS: Final[Mapping[str, tuple[str, ...]]] = {
    "date": (_DATE,),
    "time": (_TIME,),
    "date-time": (f"{_DATE}T{_TIME}",),
    "duration": (_DURATION,),
    "uuid": ("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",),
    "email": (rf"{_EMAIL_NAME}@{_LABEL}(\.{_LABEL})*\.[A-Za-z]{{2,20}}", f"[^@]{{1,64}}@{_SHORT_LABELS}"),
    "idn-email": (rf"{_EMAIL_NAME}@{_LABEL}(\.{_LABEL})*\.[A-Za-z]{{2,20}}", f"[^@]{{1,64}}@{_SHORT_LABELS}"),
    "hostname": (_HOST, _SHORT_LABELS),
    "idn-hostname": (_HOST, _SHORT_LABELS),
    "ipv4": (_IPV4,),
    "ipv6": (_IPV6,),
    "uri": (_URI,),
    "iri": (_URI,),
    "uri-reference": (f"({_URI})|{_PATH}{_QUERY}",),
    "iri-reference": (f"({_URI})|{_PATH}{_QUERY}",),
    "json-pointer": (_POINTER,),
    "byte": ("([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",),
}
"""Expressions that a string must match from beginning to end, all of them.

Narrower than the standards: no leap seconds, capitals T and Z, ASCII in names, labels of at most 30 letters.
"""

INTEGER_FORMATS: Final[Mapping[str, tuple[int, int]]] = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
FORMATS: Final = frozenset({"float", "double", "binary", "password", *INTEGER_FORMATS, *STRING_FORMATS})
"""All that are known; those that say nothing of strings, nor of integers, only annotate."""

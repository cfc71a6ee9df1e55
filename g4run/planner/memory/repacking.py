"""Which weights llama.cpp gives another order on the CPU, in which it multiplies them faster.

Loading takes longer by it, so a plan repacks only where that brings something.
"""

from g4run.hardware.machine import Machine

# ggml-cpu/repack.cpp, ggml_repack_get_optimal_repack_type, and amx/common.h, qtype_has_amx_kernels.
_AVX2_TYPES = frozenset({"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"})
_AVX512_TYPES = frozenset({"Q2_K"})
_AMX_TYPES = frozenset({"Q4_0", "Q4_1", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_XS"})
_DOT_PRODUCT_TYPES = frozenset({"Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL", "MXFP4"})
_TYPES = {"avx2": _AVX2_TYPES, "avx512f": _AVX512_TYPES, "amx_int8": _AMX_TYPES, "dotprod": _DOT_PRODUCT_TYPES}

_X86 = ("x86_64", "amd64")


def is_repacked(weight_type: str, machine: Machine) -> bool:
    """Whether a machine's processors have weights of a type in another order.

    Of a processor of which nothing is known, what all since 2013 (x86) and 2018 (ARM) can do is assumed.
    """
    known = machine.processors.instruction_sets or _usual_sets(machine.platform.architecture.lower())
    return any(weight_type in _TYPES.get(name, ()) for name in known)


def _usual_sets(architecture: str) -> tuple[str, ...]:
    if architecture in _X86:
        return ("avx2",)
    return ("dotprod",) if architecture.startswith(("arm", "aarch")) else ()

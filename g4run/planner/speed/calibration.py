"""The constants of the speed formula for each device class, fitted to published measurements.

    milliseconds = max(dense bytes / read rate, dense weights / multiplied weights)
                 + expert bytes / read rate + expert arithmetic x expert weights / multiplied weights
                 + cache bytes / read rate + attention operations / rate of processors
                 + layers x overhead + overhead per token

The read rate is a share of the nominal bandwidth. A GPU multiplies weights with 2 operations each, at a share of its
vector rate; processors by instruction set and core. Experts' matrices are small: reading and multiplying add up.

tests/planner/speed/speed_fit.py fits them to tests/golden/speed-calibration.csv, which names each row's source; a test
repeats the fit and compares. Bandwidths are nominal. Ranges hold 95 % of the rows, predicted by fits without their
device.
"""

import msgspec

from g4run.planner.speed.device_classes import DeviceClass


class Spread(msgspec.Struct, frozen=True):
    """The range of real speeds, as factors of the expected speed."""

    low: float
    high: float


class Constants(msgspec.Struct, frozen=True):
    """How one device class turns bandwidth and arithmetic into tokens."""

    efficiency: float  # share of the nominal bandwidth
    arithmetic: float  # share of a GPU's vector rate; for processors, weights per second and core
    layer_milliseconds: float  # overhead; for processors, of barriers, per thread
    prompt_efficiency: float  # share of a GPU's half-precision rate; for processors, operations per second and core
    flops_per_byte: float  # half-precision operations per byte of bandwidth, if the rate is unknown
    is_calibrated: bool
    spread: Spread


class Law(msgspec.Struct, frozen=True):
    """The constants that all GPUs share."""

    mixture_milliseconds: float  # more per layer of a mixture of experts
    embedding_milliseconds: float  # more per layer with per-layer embeddings: E2B and E4B
    token_milliseconds: float  # per token
    k_quant_cost: float  # arithmetic per weight of K- and I-quants, relative to Q4_0 and Q8_0
    expert_arithmetic: float  # what experts' arithmetic adds to reading them, as a share; also on processors


GPU_SPREAD = Spread(0.82, 1.23)
SHARED_SPREAD = Spread(0.77, 1.27)
FEW_SPREAD = Spread(0.70, 1.30)  # one to three devices
PROCESSOR_SPREAD = Spread(0.70, 1.20)
WIDE_SPREAD = Spread(0.40, 1.60)  # bandwidth or class unknown
PROMPT_SPREAD = Spread(0.60, 1.50)
MEASURED_SPREAD = Spread(0.90, 1.10)  # from one run to the next

LAW = Law(0.0417, 0.0232, 0.565, 1.079, 0.668)

# Prompt efficiencies are medians of the prompt rows. Classes without any are marked "no row": GB10, Jetson, and other
# GPUs get half of what recent NVIDIA cards reach, or less.
CONSTANTS = {
    DeviceClass.NVIDIA: Constants(0.852, 0.0752, 0.0400, 0.60, 75, True, GPU_SPREAD),
    DeviceClass.PASCAL: Constants(0.828, 0.0687, 0.0475, 1.01, 20, True, GPU_SPREAD),
    DeviceClass.AMD: Constants(0.821, 0.0781, 0.0504, 0.18, 125, True, GPU_SPREAD),
    DeviceClass.GCN: Constants(0.821, 0.0599, 0.0508, 0.58, 26, True, FEW_SPREAD),
    DeviceClass.APPLE: Constants(0.807, 0.0738, 0.0587, 0.49, 34, True, SHARED_SPREAD),
    DeviceClass.GB10: Constants(0.820, 0.0690, 0.0478, 0.32, 450, True, GPU_SPREAD),  # no row
    DeviceClass.JETSON: Constants(0.818, 0.0605, 0.0507, 0.12, 200, True, FEW_SPREAD),  # no row
    DeviceClass.INTEGRATED: Constants(0.794, 0.0672, 0.0560, 0.20, 100, True, SHARED_SPREAD),
    DeviceClass.OTHER_GPU: Constants(0.820, 0.0688, 0.0499, 0.20, 75, False, WIDE_SPREAD),  # no row
    DeviceClass.X86_OLD: Constants(0.702, 5.0e9, 0.0238, 27e9, 0, False, WIDE_SPREAD),  # no row: half of AVX2
    DeviceClass.X86: Constants(0.702, 9.97e9, 0.0238, 55e9, 0, True, PROCESSOR_SPREAD),
    DeviceClass.X86_VNNI: Constants(0.702, 11.96e9, 0.0238, 41e9, 0, True, PROCESSOR_SPREAD),
    DeviceClass.X86_512: Constants(0.702, 15.95e9, 0.0238, 138e9, 0, True, PROCESSOR_SPREAD),
    DeviceClass.ARM_NEON: Constants(0.590, 0.97e9, 0.0238, 4e9, 0, True, PROCESSOR_SPREAD),
    DeviceClass.ARM: Constants(0.590, 10.23e9, 0.0238, 32e9, 0, True, PROCESSOR_SPREAD),
    DeviceClass.ARM_I8MM: Constants(0.590, 10.95e9, 0.0238, 102e9, 0, True, PROCESSOR_SPREAD),
}

CORE_ATTENTION_FLOPS = 11.75e9  # operations of attention per second and core; fitted
VECTOR_FLOPS_PER_BYTE = 35  # vector operations per byte of bandwidth of an unknown GPU: median of the table
MOST_WAITING = 16  # threads whose barriers cost time; assumed: more were not measured
# Types of 16 and 32 bits on processors, relative to quantized ones: a Cortex-A72 multiplies 0.96e9 weights of F16 per
# second, 2.3e9 of Q4_K and 2.4e9 of Q8_0 (llama.cpp pull request 8151, test-quantize-perf).
FLOAT_COST = 2.4
CORE_BYTES_PER_SECOND = 12e9  # that one core can read, assumed
# A virtual processor is a core or half of one. Measured with llama-bench on two: of a Sapphire Rapids Xeon, E2B Q4_K_M
# 7.4 to 8.5 tokens/s, E2B Q4_0 5.3, 26B Q4_0 3.05; of a Zen 4 EPYC, E2B Q4_K_M 17.6, Q4_0 19.5, Q8_0 10.4.
VIRTUAL_CORE_SHARE = 0.8
VIRTUAL_SPREAD = Spread(0.42, 1.9)
MEASURED_OF_NOMINAL = 0.8  # share of the nominal memory bandwidth that a copy loop reaches, assumed
READ_OF_MEASURED = 0.877  # share of a measured memory bandwidth at which processors read weights: x86's 0.702 / 0.8

# R9700 (Vulkan), 26B UD-Q5_K_XL, 0 to 30 layers of experts on the CPU: 1.14 ms per layer, of which reading takes more
# than half (the host's memory is unknown: two channels of DDR5-5600 assumed), and 0.1 ms is saved on the card.
EXPERT_LAYER_MILLISECONDS = 0.3
SWITCH_MILLISECONDS = 0.3  # once per token if both GPU and CPU have layers; assumed from the same rows

# Same rows, prompts of 512 and 2,048 tokens: 62 to 99 ms per layer and micro-batch for 639 MB of experts.
TRANSFER_BYTES_PER_SECOND = 9e9  # host to GPU
MIXTURE_EFFICIENCY = 0.6  # matrices of a mixture of experts, relative to a dense model: 0.43 to 0.79 by class

# Nominal bandwidth of a card by memory size in GiB, if nothing else is known: the median of cards with that much.
CARD_BANDWIDTHS = ((5, 112e9), (7, 192e9), (9, 272e9), (13, 360e9), (17, 448e9), (25, 800e9), (33, 900e9), (49, 864e9))
MAX_CARD_BANDWIDTH = 1_900e9


def card_bandwidth(total_bytes: int) -> float:
    """Estimate a discrete GPU's bandwidth from its memory, in bytes per second."""
    gibibytes = total_bytes / 2**30
    return next((bandwidth for most, bandwidth in CARD_BANDWIDTHS if gibibytes < most), MAX_CARD_BANDWIDTH)

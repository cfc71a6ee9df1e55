"""The constants of the speed formula for each device class, fitted to published measurements.

    milliseconds = (weight bytes + cache weight x cache bytes) / (efficiency x bandwidth) + overhead

tests/planner/speed/speed_fit.py fits them to tests/golden/speed-calibration.csv, which names each row's source; a test
repeats the fit and compares. Bandwidths are nominal. Ranges are the 5th and 95th percentiles of rows predicted by fits
without their device.
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
    overhead_milliseconds: float  # per token, for any model
    cache_weight: float  # time per byte of keys and values, relative to a byte of weights
    prompt_efficiency: float  # share of a GPU's half-precision rate, or of PROCESSOR_FLOPS per core
    flops_per_byte: float  # half-precision operations per byte of bandwidth, if the rate is unknown
    is_calibrated: bool
    spread: Spread


GPU_SPREAD = Spread(0.78, 1.14)
PROCESSOR_SPREAD = Spread(0.55, 1.30)
PASCAL_SPREAD = Spread(0.65, 1.45)  # two cards, measured with two programs
WIDE_SPREAD = Spread(0.40, 1.60)  # bandwidth or class unknown
PROMPT_SPREAD = Spread(0.60, 1.50)
MEASURED_SPREAD = Spread(0.90, 1.10)  # from one run to the next

# Prompt efficiencies are medians of the prompt rows. Classes without any are marked "no row": GB10, Pascal, and other
# GPUs get half of what recent NVIDIA cards reach.
CONSTANTS = {
    DeviceClass.NVIDIA: Constants(0.798, 2.89, 1.5, 0.63, 75, True, GPU_SPREAD),
    DeviceClass.PASCAL: Constants(0.401, 3.10, 1.5, 0.32, 20, True, PASCAL_SPREAD),  # no row
    DeviceClass.AMD: Constants(0.832, 4.05, 1.5, 0.18, 125, True, GPU_SPREAD),
    DeviceClass.APPLE_M1: Constants(0.741, 3.24, 1.5, 0.49, 26, True, GPU_SPREAD),
    DeviceClass.APPLE: Constants(0.754, 3.02, 1.5, 0.49, 34, True, GPU_SPREAD),  # prompt: as M1
    DeviceClass.GB10: Constants(0.791, 2.95, 1.5, 0.32, 450, True, GPU_SPREAD),  # no row
    DeviceClass.INTEGRATED: Constants(0.831, 3.36, 1.5, 0.19, 100, True, GPU_SPREAD),
    DeviceClass.OTHER_GPU: Constants(0.789, 3.10, 1.5, 0.20, 75, False, WIDE_SPREAD),  # no row
    DeviceClass.X86: Constants(0.654, 10.04, 3.5, 1.0, 0, True, PROCESSOR_SPREAD),
    DeviceClass.X86_512: Constants(0.654, 10.04, 3.5, 1.0, 0, True, PROCESSOR_SPREAD),  # generation: as x86
    DeviceClass.ARM: Constants(0.654, 10.04, 3.5, 1.0, 0, True, PROCESSOR_SPREAD),
}

# Operations per second and core: i7-10750H 55e9, Ultra 7 155H 41e9; a Xeon's virtual machine 128e9; Pi 5 27e9, 37e9.
PROCESSOR_FLOPS = {DeviceClass.X86: 48e9, DeviceClass.X86_512: 128e9, DeviceClass.ARM: 32e9}
CORE_BYTES_PER_SECOND = 12e9  # weights that one core can multiply, assumed: an AVX2 core at 4-bit weights
# A virtual processor may be half a core. Measured with llama-bench on two of a Sapphire Rapids Xeon: E2B Q4_K_M
# 7.4 to 8.5 tokens/s, E2B Q4_0 5.3, and 26B Q4_0 3.05, which one constant and one factor match within 12 %.
VIRTUAL_CORE_BYTES_PER_SECOND = 7e9
VIRTUAL_TYPE_RATES = {"Q4_0": 0.7}  # factor by weight type: Q4_0 needs more arithmetic per byte than Q4_K
MEASURED_OF_NOMINAL = 0.8  # share of the nominal memory bandwidth that a copy loop reaches, assumed

# R9700 (Vulkan), 26B UD-Q5_K_XL, 0 to 30 layers of experts on the CPU: 1.14 ms per layer, of which 0.68 ms is reading
# 40 MB at 89.6 GB/s x 0.654 (the host's memory is unknown: two channels of DDR5-5600 assumed), and 0.08 ms is saved on
# the card.
EXPERT_LAYER_MILLISECONDS = 0.54
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

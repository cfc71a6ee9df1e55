"""GPUs as people type them."""

import pytest

from g4run.errors import UsageError
from g4run.hardware.gpus.gpu_names import find_named_gpu, similar_gpus, split_gpus

GIB = 1 << 30


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("RTX 5070", ["RTX 5070"]),
        ("3x RTX 5070", ["RTX 5070"] * 3),
        ("2 X Arc B580", ["Arc B580"] * 2),
        ("2*Tesla P40", ["Tesla P40"] * 2),
        ("RTX A4000 × 4", ["RTX A4000"] * 4),
        ("MI50 x3", ["MI50"] * 3),
        ("5060x2", ["5060"] * 2),
        ("2x5060", ["5060"] * 2),
        ("4 V100", ["V100"] * 4),
        ("RX 7800 XT * 2", ["RX 7800 XT"] * 2),
        ("RTX 3060, 2x RTX 2060", ["RTX 3060", "RTX 2060", "RTX 2060"]),
        ("L40S + L4", ["L40S", "L4"]),
        ("RX 6800 XT", ["RX 6800 XT"]),
        ("Ryzen AI Max+ 395", ["Ryzen AI Max+ 395"]),
        ("none", ["none"]),
    ],
)
def test_gpus_are_counted(text: str, names: list[str]) -> None:
    assert split_gpus(text) == tuple(names)


@pytest.mark.parametrize("text", ["0x RTX 5070", "RTX 5070 x17", "9x T4, 8x T4"])
def test_no_gpus_and_too_many_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--gpu must name 1 to 16 GPUs, not "):
        split_gpus(text)


@pytest.mark.parametrize(
    ("name", "expected", "gib"),
    [
        ("RTX 3070 16GB", "RTX 3070", 16),
        ("2080 ti 22 GB", "RTX 2080 Ti", 22),
        ("RTX 5060 Ti 8GB", "RTX 5060 Ti", 8),
        ("RTX 5060 Ti", "RTX 5060 Ti", 16),
        ("5060", "RTX 5060", 8),
        ("RTX 3070 mobile", "RTX 3070 Laptop", 8),
        ("L40S 48G", "L40S", 48),
        ("H100", "H100 SXM", 80),
        ("A100 80GB", "A100 SXM", 80),
        ("GH200 480GB", "GH200", 96),
        ("A100-SXM4-40GB MIG 2g.10gb", "A100 SXM MIG 2g.10gb", 10),
        ("M3 Pro 36GB", "M3 Pro", 36),
    ],
)
def test_a_named_gpu_has_the_memory_in_its_name(name: str, expected: str, gib: int) -> None:
    found = find_named_gpu(name)
    assert found is not None
    assert (found.name, found.total_bytes) == (expected, gib * GIB)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("rtx", "did you mean RTX 5090 or RTX 5080 or RTX 5070?"),
        ("RX", "did you mean RX 9070 or RX 9060 or RX 7600?"),
        ("Vega", "did you mean RX Vega 64 or RX Vega 56 or Radeon Vega 8 Graphics?"),
        ("Titan", "did you mean TITAN RTX or TITAN Xp or TITAN V?"),
        ("RTX 6000", "did you mean RTX 6000 Ada or Quadro RTX 6000?"),
        ("7900", "did you mean RX 7900 XTX or RX 7900 XT or RX 7900 GRE?"),
    ],
)
def test_a_name_of_several_is_refused_with_candidates(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=rf"^'{name}' may be several GPUs$") as caught:
        find_named_gpu(name)
    assert caught.value.hint == hint


def test_an_unknown_one_has_neighbours() -> None:
    assert find_named_gpu("MI400") is None
    assert similar_gpus("MI400")[0].startswith("MI")
    assert find_named_gpu("Radeon") is None

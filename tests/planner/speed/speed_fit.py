"""Fit the speed formula's constants to measured speeds, and judge the fit.

Least squares of the logarithms of predicted to measured speed; every device has the same weight. Each class has its own
efficiency, arithmetic, and overhead, held near those of all GPUs, or of all processors, by a prior: a class with few
devices stays near the others.
"""

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from typing import TypeAlias

import numpy as np

from g4run.planner.speed.calibration import MOST_WAITING

FLAT_EFFICIENCY = 0.55  # share of the bandwidth that llmfit and others assume, without overhead
WITHIN = 1.15  # "within 15 %", in either direction
ERROR = 0.1  # of one measurement, relative; what the priors are weighed against

Vector: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float64]]

# Start, and relative deviation that is plausible; None leaves it to the rows.
GPU_COMMON = {
    "efficiency": (0.84, None),
    "arithmetic": (0.073, None),
    "layer_milliseconds": (0.05, None),
    "mixture_milliseconds": (0.05, 0.5),
    "embedding_milliseconds": (0.03, 0.5),
    "token_milliseconds": (0.5, 0.5),
    "k_quant_cost": (1.3, 0.3),
    "expert_arithmetic": (0.7, 0.5),
}
GPU_DEVIATIONS = {"efficiency": 0.1, "arithmetic": 0.3, "layer_milliseconds": 0.4}
PROCESSOR_COMMON = {
    "efficiency": (0.65, 0.1),  # what copies in memory reach on most machines
    "layer_milliseconds": (0.02, 0.7),  # per thread: barriers
    "attention_flops": (12e9, 0.5),
    "arithmetic": (1.0, 0.2),  # relative to CORE_WEIGHTS
}
PROCESSOR_DEVIATIONS = {"efficiency": 0.2, "arithmetic": 0.2}
# Weights per second and core that a class's kernels are expected to multiply. NEON: a Cortex-A72's Q4_K product of
# vectors in its cache, 2.3e9 (llama.cpp pull request 8151), of which memory leaves half.
CORE_WEIGHTS = {"arm_neon": 1e9, "arm": 10e9, "arm_i8mm": 11e9, "x86": 10e9, "x86_vnni": 12e9, "x86_512": 16e9}
PROCESSORS = tuple(CORE_WEIGHTS)
FAMILIES = {"arm_neon": "arm", "arm_i8mm": "arm", "x86_vnni": "x86", "x86_512": "x86"}  # which share an efficiency


@dataclass(frozen=True, slots=True)
class Observation:
    """One measured generation: what a token reads and computes, and the time it took."""

    device: str
    device_class: str
    weight_bytes: float
    expert_bytes: float
    weights: float
    expert_weights: float
    is_k_quant: bool
    cache_bytes: float
    attention_operations: float
    layers: int
    is_mixture: bool
    has_embeddings: bool
    is_sampled: bool  # False if prompt tokens were fed one at a time, which does not wait for each
    bytes_per_second: float  # nominal
    arithmetic_rate: float  # a GPU's vector operations per second; the cores of processors
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How predictions compare: a ratio is predicted to measured speed, above 1 if the prediction is too high."""

    rows: int
    median_ratio: float
    worst_tenth: float  # 90th percentile of the ratio or its inverse, whichever is above 1
    share_within: float


Values: TypeAlias = dict[str, Vector]


@dataclass(frozen=True, slots=True)
class Columns:
    """The fields of several observations, each as one array."""

    classes: tuple[str, ...]
    counts: Vector  # rows of the same device
    fields: dict[str, Vector]

    def __getattr__(self, name: str) -> Vector:
        return self.fields[name]


def columns_of(observations: Sequence[Observation]) -> Columns:
    """Return the observations as columns."""
    counts = Counter(one.device for one in observations)
    names = [field.name for field in dataclass_fields(Observation)][2:]
    return Columns(
        classes=tuple(one.device_class for one in observations),
        counts=np.array([counts[one.device] for one in observations], dtype=float),
        fields={name: np.array([getattr(one, name) for one in observations], dtype=float) for name in names},
    )


def gpu_milliseconds(values: Values, rows: Columns) -> Vector:
    """Apply the formula to rows of GPUs."""
    rate = values["efficiency"] * rows.bytes_per_second
    cost = 1 + rows.is_k_quant * (values["k_quant_cost"] - 1)
    weights_per_second = values["arithmetic"] * rows.arithmetic_rate / 2 / cost
    layer = values["layer_milliseconds"] + values["mixture_milliseconds"] * rows.is_mixture
    layer += values["embedding_milliseconds"] * rows.has_embeddings
    overhead = rows.layers * layer + rows.is_sampled * values["token_milliseconds"]
    return (_weights(values, rows, rate, weights_per_second) + rows.cache_bytes / rate) * 1000 + overhead


def processor_milliseconds(values: Values, rows: Columns) -> Vector:
    """Apply the formula to rows of processors."""
    rate = values["efficiency"] * rows.bytes_per_second
    core_weights = values["arithmetic"] * np.array([CORE_WEIGHTS[one] for one in rows.classes])
    attention = rows.cache_bytes / rate + rows.attention_operations / (values["attention_flops"] * rows.arithmetic_rate)
    waiting = np.minimum(rows.arithmetic_rate, MOST_WAITING) * rows.layers * values["layer_milliseconds"]
    return (_weights(values, rows, rate, core_weights * rows.arithmetic_rate) + attention) * 1000 + waiting


def _weights(values: Values, rows: Columns, rate: Vector, weights_per_second: Vector) -> Vector:
    """Return the seconds for the weights; no row of processors has experts."""
    reading, multiplying = rows.weight_bytes - rows.expert_bytes, rows.weights - rows.expert_weights
    dense: Vector = np.maximum(reading / rate, multiplying / weights_per_second)
    share = values.get("expert_arithmetic", np.zeros(1))
    return dense + rows.expert_bytes / rate + share * rows.expert_weights / weights_per_second


@dataclass(frozen=True, slots=True)
class Fit:
    """The fitted constants of GPUs or of processors, as logarithms: common ones, and "class name" deviations."""

    logarithms: dict[str, float]
    is_gpu: bool

    def values(self, classes: Sequence[str]) -> Values:
        """Return the constants of each row's class; those of all classes if it has none of its own."""
        known, common = self.logarithms, GPU_COMMON if self.is_gpu else PROCESSOR_COMMON
        return {
            name: np.exp([known[name] + known.get(f"{_group(one, name)} {name}", 0.0) for one in classes])
            for name in common
        }

    def milliseconds(self, rows: Columns) -> Vector:
        """Return the predicted times."""
        return (gpu_milliseconds if self.is_gpu else processor_milliseconds)(self.values(rows.classes), rows)


def _group(device_class: str, name: str) -> str:
    return FAMILIES.get(device_class, device_class) if name == "efficiency" else device_class


def fit(observations: Sequence[Observation], start: Fit | None = None) -> Fit:
    """Fit all constants to the rows of GPUs or of processors."""
    rows, begin = columns_of(observations), start or _start(observations)
    names = tuple(begin.logarithms)
    priors = [_prior(name, begin.is_gpu) for name in names]
    held = [(index, *prior) for index, prior in enumerate(priors) if prior]
    indices, middles, spreads = (np.array(values) for values in zip(*held, strict=True))

    def residuals(point: Vector) -> Vector:
        trial = Fit(dict(zip(names, point, strict=True)), begin.is_gpu)
        errors = np.log(trial.milliseconds(rows) / rows.milliseconds) / np.sqrt(rows.counts)
        return np.concatenate([errors, (point[indices] - middles) / spreads * ERROR])

    found = _minimize(residuals, np.array(tuple(begin.logarithms.values())))
    return Fit(dict(zip(names, found.tolist(), strict=True)), begin.is_gpu)


def _start(observations: Sequence[Observation]) -> Fit:
    is_gpu = observations[0].device_class not in PROCESSORS
    common, deviations = (GPU_COMMON, GPU_DEVIATIONS) if is_gpu else (PROCESSOR_COMMON, PROCESSOR_DEVIATIONS)
    classes = sorted({one.device_class for one in observations})
    own = {f"{_group(one, name)} {name}": 0.0 for name in deviations for one in classes}
    return Fit({name: math.log(value) for name, (value, _) in common.items()} | own, is_gpu)


def _prior(name: str, is_gpu: bool) -> tuple[float, float] | None:
    common, deviations = (GPU_COMMON, GPU_DEVIATIONS) if is_gpu else (PROCESSOR_COMMON, PROCESSOR_DEVIATIONS)
    if name not in common:
        return 0.0, deviations[name.rpartition(" ")[2]]
    value, spread = common[name]
    return None if spread is None else (math.log(value), spread)


def _minimize(residuals: Callable[[Vector], Vector], start: Vector) -> Vector:
    """Minimize the sum of squares by the Levenberg-Marquardt method."""
    point, damping, current = start, 1e-3, residuals(start)
    for _ in range(40):
        columns = [(residuals(point + step) - current) / 1e-4 for step in np.eye(len(point)) * 1e-4]
        jacobian = np.stack(columns, axis=1)
        normal = jacobian.T @ jacobian + damping * np.eye(len(point))
        step = np.clip(np.linalg.solve(normal, -jacobian.T @ current), -0.3, 0.3)
        trial = residuals(point + step)
        gained = current @ current - trial @ trial
        if gained <= 0:
            damping *= 10
            continue
        point, current, damping = point + step, trial, damping / 3
        if gained < 1e-9:
            break
    return point


def leave_one_device_out(observations: Sequence[Observation]) -> tuple[float, ...]:
    """Return predicted to measured speed of every row, fitted without its device."""
    found: dict[Observation, float] = {}
    start = fit(observations)
    for device in {one.device for one in observations}:
        without = fit([one for one in observations if one.device != device], start)
        own = [one for one in observations if one.device == device]
        found.update(zip(own, ratios(without, own), strict=True))
    return tuple(found[one] for one in observations)


def ratios(fitted: Fit, observations: Sequence[Observation]) -> Sequence[float]:
    """Return predicted to measured speed of every row."""
    rows = columns_of(observations)
    return [float(value) for value in rows.milliseconds / fitted.milliseconds(rows)]


def flat_ratio(one: Observation) -> float:
    """Return the ratio of a prediction by a flat share of the bandwidth."""
    return one.milliseconds / ((one.weight_bytes + one.cache_bytes) / (FLAT_EFFICIENCY * one.bytes_per_second) * 1000)


def judge(ratios: Iterable[float]) -> Accuracy:
    """Return the figures that tell how good a fit is."""
    values = sorted(ratios)
    factors = sorted(max(value, 1 / value) for value in values)
    return Accuracy(
        rows=len(values),
        median_ratio=statistics.median(values),
        worst_tenth=percentile(factors, 0.9),
        share_within=sum(factor <= WITHIN for factor in factors) / len(factors),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the interpolated value below which a share of the sorted values lies."""
    place = share * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)

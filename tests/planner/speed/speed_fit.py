"""Fit the speed formula's two constants to measured speeds by least squares, and judge the fit.

milliseconds = (weight bytes + cache weight x cache bytes) / (efficiency x bandwidth) + overhead
"""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

FLAT_EFFICIENCY = 0.55  # share of the bandwidth that llmfit and others assume, without overhead
WITHIN = 1.15  # "within 15 %", in either direction
OTHER_CLASSES = 0.1  # weight of a device of another class, compared with 1 for the same class


@dataclass(frozen=True, slots=True)
class Observation:
    """One measured generation: the bytes read per token, and the time it took."""

    device: str
    device_class: str
    weight_bytes: float
    cache_bytes: float
    bytes_per_second: float  # nominal
    milliseconds: float

    def read_milliseconds(self, cache_weight: float) -> float:
        """Return how long reading would take at the full nominal bandwidth."""
        return (self.weight_bytes + cache_weight * self.cache_bytes) / self.bytes_per_second * 1000


@dataclass(frozen=True, slots=True)
class SpeedFormula:
    """The fitted constants."""

    efficiency: float
    overhead_milliseconds: float
    cache_weight: float

    def milliseconds(self, observation: Observation) -> float:
        """Return the predicted time."""
        return observation.read_milliseconds(self.cache_weight) / self.efficiency + self.overhead_milliseconds


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How predictions compare: a ratio is predicted to measured speed, above 1 if the prediction is too high."""

    rows: int
    median_ratio: float
    lowest_tenth: float
    highest_tenth: float
    share_within: float

    @property
    def spread(self) -> float:
        """The factor between the 10th and the 90th percentile."""
        return self.highest_tenth / self.lowest_tenth


FLAT_FORMULA = SpeedFormula(FLAT_EFFICIENCY, 0.0, 1.0)


def fit_formula(observations: Sequence[Observation], device_class: str, cache_weight: float) -> SpeedFormula:
    """Fit both constants to the least squares of relative errors; every device has the same weight."""
    weights = _weights(observations, device_class)
    x = [observation.read_milliseconds(cache_weight) for observation in observations]
    y = [observation.milliseconds for observation in observations]
    slope, overhead = _line(weights, x, y)
    return SpeedFormula(1 / slope, overhead, cache_weight)


def fit_efficiency(
    observations: Sequence[Observation], overhead_milliseconds: float, cache_weight: float
) -> SpeedFormula:
    """Fit only the efficiency, for a class with too few devices to separate it from the overhead."""
    slopes = [
        (observation.milliseconds - overhead_milliseconds) / observation.read_milliseconds(cache_weight)
        for observation in observations
    ]
    return SpeedFormula(1 / statistics.geometric_mean(slopes), overhead_milliseconds, cache_weight)


def leave_one_device_out(
    observations: Sequence[Observation], fit: Callable[[Sequence[Observation], str], SpeedFormula]
) -> tuple[float, ...]:
    """Return predicted to measured speed of every row, fitted without its device; `fit` takes rows and a class."""
    ratios = []
    for observation in observations:
        others = [other for other in observations if other.device != observation.device]
        ratios.append(ratio(fit(others, observation.device_class), observation))
    return tuple(ratios)


def ratio(formula: SpeedFormula, observation: Observation) -> float:
    """Return predicted to measured speed of one row."""
    return observation.milliseconds / formula.milliseconds(observation)


def judge(ratios: Iterable[float]) -> Accuracy:
    """Return the figures that tell how good a fit is."""
    values = sorted(ratios)
    return Accuracy(
        rows=len(values),
        median_ratio=statistics.median(values),
        lowest_tenth=percentile(values, 0.1),
        highest_tenth=percentile(values, 0.9),
        share_within=sum(1 / WITHIN <= value <= WITHIN for value in values) / len(values),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the interpolated value below which a share of the sorted values lies."""
    place = share * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)


def _weights(observations: Sequence[Observation], device_class: str) -> list[float]:
    rows = Counter(observation.device for observation in observations)
    return [
        (1.0 if observation.device_class == device_class else OTHER_CLASSES)
        / rows[observation.device]
        / observation.milliseconds**2
        for observation in observations
    ]


def _line(weights: Sequence[float], x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Return slope and offset of the weighted least-squares line."""
    total = sum(weights)
    mean_x = sum(weight * value for weight, value in zip(weights, x, strict=True)) / total
    mean_y = sum(weight * value for weight, value in zip(weights, y, strict=True)) / total
    rows = tuple(zip(weights, x, y, strict=True))
    slope = sum(weight * (left - mean_x) * (right - mean_y) for weight, left, right in rows) / sum(
        weight * (left - mean_x) ** 2 for weight, left, _ in rows
    )
    return slope, mean_y - slope * mean_x


PROCESSORS = ("x86", "x86_512", "arm")  # three machines: too few to tell one kind from the other
PASCAL = "pascal"
CACHE_WEIGHT = 1.5  # lowest spread of 1, 1.5, 2 and 2.5
PROCESSOR_CACHE_WEIGHT = 3.5  # the i7-10750H at 128 and 4,224 tokens


def fit_class(observations: Sequence[Observation], device_class: str) -> SpeedFormula:
    """Fit the formula of one class to all rows that are relevant for it."""
    if device_class in PROCESSORS:
        rows = [row for row in observations if row.device_class in PROCESSORS]
        return fit_formula(
            [replace(row, device_class=device_class) for row in rows], device_class, PROCESSOR_CACHE_WEIGHT
        )
    gpus = [row for row in observations if row.device_class not in (*PROCESSORS, PASCAL)]
    formula = fit_formula(gpus, device_class, CACHE_WEIGHT)
    if device_class != PASCAL:
        return formula
    rows = [row for row in observations if row.device_class == PASCAL]
    return fit_efficiency(rows, formula.overhead_milliseconds, CACHE_WEIGHT)

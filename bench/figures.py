"""How figures are printed."""

import math
import statistics
from collections.abc import Sequence


def show(name: str, value: str, aim: str = "") -> None:
    """Print one figure, with its aim beside it."""
    print(f"  {name:58}{value:>24}{f'  [{aim}]' if aim else ''}", flush=True)


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value below which so large a part of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1)] if ordered else math.nan


def spread(milliseconds: Sequence[float]) -> str:
    """Say median and 99th percentile."""
    return f"p50 {statistics.median(milliseconds):,.1f} ms, p99 {percentile(milliseconds, 0.99):,.1f} ms"

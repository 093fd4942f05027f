"""Numbers and shapes in words, the same in every sentence and in every pane."""

from __future__ import annotations

import math

import numpy as np


def number(x: float) -> str:
    """Four significant digits, plain from 1e-3 up to 1e5, else `1.23e-4`."""
    if isinstance(x, bool | np.bool_):
        return str(bool(x))
    if isinstance(x, int):
        return str(x) if abs(x) < 100_000 else f"{x:.2e}".replace("e+0", "e").replace("e+", "e")
    if not math.isfinite(x) or x == 0:
        return "nan" if math.isnan(x) else f"{x + 0.0:g}"
    if 1e-3 <= abs(x) < 1e5:
        return f"{float(f'{x:.4g}'):.10g}"
    mantissa, exponent = f"{x:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def signed(x: float) -> str:
    """A change, with its sign."""
    text = number(x)
    return text if text.startswith("-") or text == "nan" else f"+{text}"


def shape_text(shape: tuple[int, ...]) -> str:
    """`[64,32]`; nothing for a scalar."""
    return f"[{','.join(map(str, shape))}]" if shape else ""


def counted(count: int, word: str) -> str:
    """`1 row`, `64 rows`."""
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part) if words else ""


def line_of(dims: int, dim: float | None) -> str:
    """What the numbers along a dimension are called: `row`, `column`, `line along dim 1`."""
    if dim is None:
        return "line"
    along = int(dim) % max(1, dims)
    return "row" if along == dims - 1 or dims == 0 else "column" if dims == 2 else f"line along dim {along}"


def spread_dims(inner: tuple[int, ...], outer: tuple[int, ...]) -> tuple[int, ...]:
    """The dims of `outer` over which something of shape `inner` was broadcast."""
    lead = len(outer) - len(inner)
    return tuple(
        dim for dim, size in enumerate(outer) if size != 1 and (dim < lead or inner[dim - lead] == 1)
    )


def places(dims: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """The places over which something is summed: `the 64 rows`, `dims 0 and 2 (64 × 8)`."""
    sizes = [shape[dim] for dim in dims]
    if len(dims) == len(shape) or math.prod(sizes) == math.prod(shape):
        return f"all {math.prod(sizes):,} places"
    if len(shape) == 2:
        return f"the {counted(sizes[0], 'column' if dims == (1,) else 'row')}"
    told = " × ".join(map(str, sizes))
    return f"dim {dims[0]} ({told})" if len(dims) == 1 else f"dims {listed([str(dim) for dim in dims])} ({told})"

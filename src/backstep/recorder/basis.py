"""The shapes of Jacobians, and the unit vectors that give their rows. A complex number counts as two."""

from __future__ import annotations

from typing import Any

import torch


def shape_of(arrived: Any, targets: Any, left: Any, index: int) -> tuple[int, ...]:
    """The shape of the Jacobian of an edge: `[*output, *input]`; of several outputs, `[outputs, *input]`."""
    shape, is_complex = input_shape(targets[index], left[index] if index < len(left) else None)
    return (*rows_of(arrived), *shape, *pair(is_complex))


def rows_of(arrived: Any) -> tuple[int, ...]:
    """The axes of a Jacobian for the outputs of its node."""
    if len(arrived) == 1 and arrived[0] is not None:
        return (*arrived[0].shape, *pair(arrived[0].is_complex()))
    return (count_rows(arrived),)


def count_rows(arrived: Any) -> int:
    return sum(grad.numel() * (2 if grad.is_complex() else 1) for grad in arrived if grad is not None)


def pair(is_complex: bool) -> tuple[int, ...]:
    """The axis that a complex number has beside those of its tensor."""
    return (2,) if is_complex else ()


def input_shape(edge: Any, left: torch.Tensor | None) -> tuple[tuple[int, ...], bool]:
    """(shape, whether complex) of the forward input that an edge leads to."""
    if left is not None:
        return tuple(left.shape), left.is_complex()
    target, output = edge
    meta = target._input_metadata[output]
    return tuple(meta.shape), meta.dtype.is_complex


def basis_of(arrived: list[torch.Tensor], rows: int) -> list[torch.Tensor]:
    """Unit vectors over all outputs, a row each: one tensor `[rows, *output]` for each output that arrived."""
    basis = []
    start = 0
    for grad in arrived:
        count = grad.numel()
        if grad.is_complex():
            real = torch.zeros(rows, count, 2, dtype=grad.real.dtype, device=grad.device)
            real.view(rows, 2 * count)[start : start + 2 * count] = torch.eye(2 * count, dtype=real.dtype)
            vectors = torch.view_as_complex(real)
            start += 2 * count
        else:
            vectors = torch.zeros(rows, count, dtype=grad.dtype, device=grad.device)
            vectors[start : start + count] = torch.eye(count, dtype=grad.dtype, device=grad.device)
            start += count
        basis.append(vectors.reshape(rows, *grad.shape))
    return basis

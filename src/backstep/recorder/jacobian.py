"""Local gradients, from the node itself: `node(v)` is the product of `v` with its Jacobian, run without hooks.

Called in the node's pre-hook, while what it saved is alive. Never called: user code (`Function`), nodes whose
saved tensors a hook has packed, and `AccumulateGrad`, which would accumulate.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch

from backstep.recorder.scribe import EdgeFact, Local
from backstep.recorder.snapshot import first_line, unreadable

ELEMENTWISE = frozenset(
    name + "Backward0"
    for name in """
    Abs Acos Acosh Add Addcdiv Addcmul Angle Asin Asinh Atan Atan2 Atanh Ceil Clamp ClampMax ClampMin Clone
    Copysign Cos Cosh Deg2Rad Digamma Div Elu Erf Erfc Erfinv Exp Exp2 Expm1 Floor Fmax Fmin Fmod Frac Gelu
    Hardshrink Hardsigmoid Hardswish Hardtanh Hypot I0 LeakyRelu Lerp Lgamma Log Log10 Log1P Log2 LogSigmoid
    Logaddexp Logaddexp2 Logit MaskedFill Maximum Minimum Mish Mul NanToNum NativeDropout Neg Positive Polygamma
    Pow Rad2Deg Reciprocal Relu Relu6 Remainder Round Rsqrt Rsub Selu Sgn Sigmoid Sign Silu Sin Sinc Sinh
    Softplus Softshrink Sqrt Sub Tan Tanh Threshold ToCopy Trunc Where Xlogy SpecialEntr SpecialErfcx SpecialI1
    SpecialXlog1Py SpecialLogNdtr SpecialNdtri
    """.split()
) | {
    f"{name}Backward{overload}"
    for name in "Add Sub Mul Div Pow Clamp Lerp Fmod Remainder MaskedFill Rsub Round Maximum Threshold".split()
    for overload in range(1, 4)
}
"""Nodes whose every output element depends on one element of each input (with broadcasting)."""

WRONG_IN_VMAP = frozenset({"AsStridedScatterBackward0", "AsStridedBackward0"})
"""Nodes that vmap gives other numbers than a row alone: they look at memory."""

LOOPED = 512
"""Rows that are computed one by one where a node refuses to be vectorised."""

FEW = 2
"""Up to so many rows a loop is cheaper than vmap."""


def local_gradients(node: Any, grads: Any, edges: list[EdgeFact], limit: int, packed: bool) -> None:
    """Fills in the local gradient of each edge that is needed, or why there is none."""
    needed = [edge for edge in edges if edge.node >= 0 or edge.leaf >= 0]
    reason = why_not(node, grads, packed)
    if not needed or reason:
        for edge in needed:
            edge.local = Local("jacobian", (), None, reason)
        return
    state = torch.is_grad_enabled()
    torch._C._set_grad_enabled(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fill(node, grads, edges, limit)
    except Exception as error:
        for edge in needed:
            if edge.local is None:
                edge.local = Local("jacobian", (), None, f"the node could not be run again: {first_line(error)}")
    finally:
        torch._C._set_grad_enabled(state)


def why_not(node: Any, grads: Any, packed: bool) -> str:
    if isinstance(node, torch.autograd.function.BackwardCFunction):
        return "not available: user code"
    if packed:
        return "saved by a hook: running the node again would unpack it again"
    for grad in grads:
        if grad is None:
            continue
        if unreadable(grad):
            return unreadable(grad)
        if grad.layout is not torch.strided:
            return f"the gradient that arrives is {str(grad.layout).removeprefix('torch.')}"
    if all(grad is None for grad in grads):
        return "no gradient arrived"
    return ""


def fill(node: Any, grads: Any, edges: list[EdgeFact], limit: int) -> None:
    arrived = [grad for grad in grads if grad is not None]
    shapes = input_shapes(node)
    complex_ = any(grad.is_complex() for grad in arrived) or any(c for _, c in shapes)
    if node.name() in ELEMENTWISE and len(grads) == 1 and not complex_ and elementwise(node, arrived[0], edges, limit):
        return
    rows = sum(grad.numel() * (2 if grad.is_complex() else 1) for grad in arrived)
    wanted: list[int] = []
    for index, edge in enumerate(edges):
        if edge.node < 0 and edge.leaf < 0:
            continue
        shape, is_complex = shapes[index]
        entries = rows * math.prod(shape) * (2 if is_complex else 1)
        if entries > limit:
            edge.local = Local("jacobian", (), None, f"a Jacobian of {entries} entries, more than {limit} are kept")
        else:
            wanted.append(index)
    total = sum(rows * math.prod(shapes[i][0]) for i, (t, _) in enumerate(node.next_functions) if t is not None)
    if not wanted:
        return
    if total > 4 * limit:
        for index in wanted:
            edges[index].local = Local("jacobian", (), None, "the node's other Jacobians are too large to run it again")
        return
    for index, data in jacobians(node, grads, rows, shapes, wanted).items():
        edges[index].local = Local("jacobian", tuple(data.shape), data)


def input_shapes(node: Any) -> list[tuple[tuple[int, ...], bool]]:
    """(shape, whether complex) of the forward input of each edge; empty where none is needed."""
    shapes: list[tuple[tuple[int, ...], bool]] = []
    for target, output in node.next_functions:
        if target is None:
            shapes.append(((), False))
        else:
            meta = target._input_metadata[output]
            shapes.append((tuple(meta.shape), meta.dtype.is_complex))
    return shapes


def elementwise(node: Any, grad: torch.Tensor, edges: list[EdgeFact], limit: int) -> bool:
    """One run with ones; False when what comes out is not in the output's shape."""
    if grad.numel() > limit:
        for edge in edges:
            if edge.node >= 0 or edge.leaf >= 0:
                edge.local = Local("elementwise", (), None, f"{grad.numel()} entries, more than {limit} are kept")
        return True
    results = as_tuple(node(torch.ones_like(grad)))
    needed = [index for index, edge in enumerate(edges) if edge.node >= 0 or edge.leaf >= 0]
    for result in (results[index] for index in needed):
        if result is None or result.shape != grad.shape or result.layout is not torch.strided or result.is_complex():
            return False
    for index in needed:
        edges[index].local = Local("elementwise", tuple(grad.shape), results[index].clone())
    return True


def jacobians(
    node: Any, grads: Any, rows: int, shapes: list[tuple[tuple[int, ...], bool]], wanted: list[int]
) -> dict[int, torch.Tensor]:
    """The whole Jacobian of each wanted edge: `[*output, *input]`, several outputs flattened into one axis."""
    arrived = [grad for grad in grads if grad is not None]
    basis = basis_of(arrived, rows)

    def pull(*vectors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given = iter(vectors)
        results = as_tuple(node(*[None if grad is None else next(given) for grad in grads]))
        pulled = []
        for index in wanted:
            result, (shape, is_complex) = results[index], shapes[index]
            if result is None:
                result = torch.zeros(shape, dtype=torch.complex128 if is_complex else arrived[0].dtype)
            if result.layout is not torch.strided:
                result = result.to_dense()
            pulled.append(reduce_to(result, shape, is_complex))
        return tuple(pulled)

    if rows == 0:
        pairs = [(2,) if is_complex else () for _, is_complex in shapes]
        stacked = [torch.zeros((0, *shapes[i][0], *pairs[i])) for i in wanted]
    else:
        stacked = run_rows(pull, basis, rows, vectorised=node.name() not in WRONG_IN_VMAP)
    several = len(grads) > 1
    heads = (rows,) if several else (*arrived[0].shape, *((2,) if arrived[0].is_complex() else ()))
    return {index: data.reshape((*heads, *data.shape[1:])) for index, data in zip(wanted, stacked, strict=True)}


def run_rows(pull: Any, basis: list[torch.Tensor], rows: int, *, vectorised: bool) -> list[torch.Tensor]:
    if rows > FEW and vectorised:
        try:
            return list(torch.vmap(pull, randomness="same")(*basis))
        except Exception:
            # A handful of nodes refuse vmap (data-dependent sizes); row by row they do not.
            if rows > LOOPED:
                raise
    results = [pull(*[vectors[row] for vectors in basis]) for row in range(rows)]
    return [torch.stack(column) for column in zip(*results, strict=True)]


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


def reduce_to(result: torch.Tensor, shape: tuple[int, ...], is_complex: bool) -> torch.Tensor:
    """As the engine does after the node: a broadcast input's gradient is summed to the input's shape."""
    if tuple(result.shape) != shape:
        result = result.sum_to_size(shape)
    if is_complex:
        return torch.view_as_real((result if result.is_complex() else result + 0j).resolve_conj().resolve_neg())
    return result.real if result.is_complex() else result


def as_tuple(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)

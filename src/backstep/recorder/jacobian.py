"""Local gradients, from the node itself: `node(v)` is the product of `v` with its Jacobian, run without hooks.

Called in the node's pre-hook, while what it saved is alive. Never called: user code (`Function`), nodes whose
saved tensors a hook has packed, and `AccumulateGrad`, which would accumulate.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import BackwardCFunction

from backstep.recorder.basis import basis_of, count_rows, input_shape, pair, rows_of, shape_of
from backstep.recorder.snapshot import WIDENED, first_line, unreadable, wrapped

if TYPE_CHECKING:
    from backstep.recorder.session import Session

Row = tuple[str, tuple[int, ...], float | None, Any, int, str]
"""`trace.records.LocalRow` as a tuple."""

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

WRONG_IN_VMAP = frozenset({"AsStridedScatterBackward0", "AsStridedBackward0", "CdistBackward0"})
"""Nodes that vmap gives other numbers than a row alone: they look at memory, or take the rows for a batch."""

LOOPED = 512
"""Rows that are computed one by one where a node refuses to be vectorised."""

FEW = 2
"""Up to so many rows a loop is cheaper than vmap."""


ONES: dict[torch.dtype, torch.Tensor] = {}
"""A single one of each dtype; nothing writes to it."""

is_grad_enabled, set_grad_enabled = torch.is_grad_enabled, torch._C._set_grad_enabled


class silently:
    """No warning is shown, and none of the user's forgotten.

    `warnings.catch_warnings` would have Python forget which of the user's warnings were shown already.
    """

    def __enter__(self) -> None:
        self._filters = warnings.filters
        warnings.filters = IGNORE

    def __exit__(self, *_: object) -> None:
        warnings.filters = self._filters


IGNORE = [("ignore", None, Warning, None, 0)]


def local_gradients(
    session: Session, node: Any, name: str, targets: Any, arrived: Any, left: Any, packed: bool
) -> dict[int, Row]:
    """The local gradient of each edge that is needed, by its index, or why there is none.

    `arrived` is what came to the node, `left` what went from it: in shape and dtype what its inputs are.
    """
    if name in ELEMENTWISE and not packed and len(arrived) == 1 and is_number(arrived[0]):
        rows = of_number(node, arrived[0], targets)
        if rows is not None:
            return rows
    needed = [index for index, (target, _) in enumerate(targets) if target is not None]
    reason = why_not(node, arrived, packed)
    if reason or not needed:
        return {index: omitted(session, reason, shape_of(arrived, targets, left, index)) for index in needed}
    state = is_grad_enabled()
    if state:
        set_grad_enabled(False)
    try:
        if name in ELEMENTWISE and len(arrived) == 1 and not arrived[0].is_complex():
            rows = elementwise(session, node, arrived[0], needed, left)
            if rows is not None:
                return rows
        with silently():
            return whole(session, node, name, targets, arrived, left, needed)
    except Exception as error:
        reason = f"the node could not be run again: {first_line(error)}"
        return {index: omitted(session, reason, shape_of(arrived, targets, left, index)) for index in needed}
    finally:
        if state:
            set_grad_enabled(True)


def is_number(grad: Any) -> bool:
    """A single real number in memory, in a pass that builds no graph: the commonest gradient in a lesson."""
    return (
        type(grad) is torch.Tensor
        and grad.dtype in REAL
        and grad.is_cpu
        and not grad.dim()
        and not wrapped(grad)
        and not is_grad_enabled()
    )


def of_number(node: Any, grad: torch.Tensor, targets: Any) -> dict[int, Row] | None:
    """The local gradients of a node whose output is one number; None when there is more to it."""
    ones = ONES.get(grad.dtype)
    if ones is None:
        ones = ONES[grad.dtype] = torch.ones_like(grad)
    results = node(ones)
    if type(results) is not tuple:
        results = (results,)
    rows: dict[int, Row] = {}
    for index, (target, _) in enumerate(targets):
        if target is not None:
            result = results[index]
            if result is None or result.dtype not in REAL or result.dim() or not result.is_cpu:
                return None
            rows[index] = ("elementwise", (), result.tolist(), -1, 0, REAL[result.dtype])
    return rows


REAL = {torch.float32: "float32", torch.float64: "float64"}


def omitted(session: Session, reason: str, shape: tuple[int, ...], form: str = "jacobian") -> Row:
    return (form, shape, None, -1, session.text(reason), "float64")


def kept(session: Session, form: str, data: torch.Tensor) -> Row:
    """A local gradient whose numbers are kept; the memory is nobody else's."""
    shape = tuple(data.shape)
    if not shape and data.is_floating_point() and data.device.type == "cpu":
        return (form, (), data.item(), -1, 0, name_of(data.dtype))
    return (form, shape, None, session.camera.numbers.put(data, keep=True), 0, name_of(data.dtype))


def name_of(dtype: torch.dtype) -> str:
    """The dtype in which the numbers are kept."""
    return NAMES.get(dtype) or NAMES.setdefault(dtype, str(WIDENED.get(dtype, dtype)).removeprefix("torch."))


NAMES: dict[torch.dtype, str] = {}


def why_not(node: Any, grads: Any, packed: bool) -> str:
    if isinstance(node, BackwardCFunction):
        return "not available: user code"
    if packed:
        return "saved by a hook: running the node again would unpack it again"
    some = False
    for grad in grads:
        if grad is None:
            continue
        some = True
        reason = unreadable(grad)
        if reason:
            return reason
        if grad.layout is not torch.strided:
            return f"the gradient that arrives is {str(grad.layout).removeprefix('torch.')}"
    return "" if some else "no gradient arrived"


def elementwise(
    session: Session, node: Any, grad: torch.Tensor, needed: list[int], left: Any
) -> dict[int, Row] | None:
    """One run with ones; None when what comes out is not in the output's shape."""
    limit = session.local_entries
    if grad.numel() > limit:
        reason = f"{grad.numel()} entries, more than {limit} are kept"
        return dict.fromkeys(needed, omitted(session, reason, tuple(grad.shape), "elementwise"))
    for index in needed:
        if index < len(left) and left[index] is not None and left[index].is_complex():
            return None
    if grad.dim() or grad.device.type != "cpu":
        ones = torch.ones_like(grad)
    else:
        cached = ONES.get(grad.dtype)
        ones = ONES.setdefault(grad.dtype, torch.ones_like(grad)) if cached is None else cached
    results = as_tuple(node(ones))
    for index in needed:
        result = results[index]
        if result is None or result.shape != grad.shape or result.layout is not torch.strided or result.is_complex():
            return None
    return {index: kept(session, "elementwise", owned(results[index])) for index in needed}


def owned(result: torch.Tensor) -> torch.Tensor:
    """What a node gave back may be what it saved, or one memory for two inputs."""
    return result.clone() if result.dim() else result


def whole(
    session: Session, node: Any, name: str, targets: Any, arrived: Any, left: Any, needed: list[int]
) -> dict[int, Row]:
    """The whole Jacobian of each needed edge, where it is small enough."""
    limit = session.local_entries
    rows = count_rows(arrived)
    shapes = {index: input_shape(targets[index], left[index] if index < len(left) else None) for index in needed}
    found: dict[int, Row] = {}
    wanted: list[int] = []
    total = 0
    for index in needed:
        shape, is_complex = shapes[index]
        entries = rows * math.prod(shape) * (2 if is_complex else 1)
        total += entries
        if entries > limit:
            reason = f"a Jacobian of {entries} entries, more than {limit} are kept"
            found[index] = omitted(session, reason, shape_of(arrived, targets, left, index))
        else:
            wanted.append(index)
    if wanted and total > 4 * limit:
        reason = "the node's other Jacobians are too large to run it again"
        found |= {index: omitted(session, reason, shape_of(arrived, targets, left, index)) for index in wanted}
    elif wanted:
        for index, data in jacobians(node, name, arrived, rows, shapes, wanted).items():
            found[index] = kept(session, "jacobian", data)
    return found


def jacobians(
    node: Any, name: str, grads: Any, rows: int, shapes: dict[int, tuple[tuple[int, ...], bool]], wanted: list[int]
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

    stacked: Sequence[torch.Tensor]
    if rows == 0:
        stacked = [torch.zeros((0, *shapes[i][0], *pair(shapes[i][1]))) for i in wanted]
    else:
        stacked = run_rows(pull, basis, rows, vectorised=name not in WRONG_IN_VMAP)
    heads = rows_of(grads)
    return {index: data.reshape((*heads, *data.shape[1:])) for index, data in zip(wanted, stacked, strict=True)}


def run_rows(pull: Any, basis: list[torch.Tensor], rows: int, *, vectorised: bool) -> list[torch.Tensor]:
    if rows > FEW and vectorised:
        try:
            return list(torch.vmap(pull, randomness="same")(*basis))
        except Exception:
            # A handful of nodes refuse vmap (data-dependent sizes); row by row they do not.
            if rows > LOOPED:
                raise
    # Rows with memory of their own: a node that looks at memory would see the neighbours of a view.
    results = [pull(*[vectors[row].clone() for vectors in basis]) for row in range(rows)]
    return [torch.stack(column) for column in zip(*results, strict=True)]


def reduce_to(result: torch.Tensor, shape: tuple[int, ...], is_complex: bool) -> torch.Tensor:
    """As the engine does after the node: a broadcast input's gradient is summed to the input's shape."""
    if tuple(result.shape) != shape:
        result = result.sum_to_size(shape)
    if is_complex:
        return torch.view_as_real((result if result.is_complex() else result + 0j).resolve_conj().resolve_neg())
    return result.real if result.is_complex() else result


def as_tuple(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)

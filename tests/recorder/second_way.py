"""What a node's local gradient must do, asked of the node itself: an independent second way to the recorded one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from backstep.recorder.nodes import KEY
from backstep.trace.event import BackwardEvent, Edge, Value


def nodes_by_number(roots: list[torch.Tensor]) -> dict[int, Any]:
    """The nodes of a graph that has been run, by the numbers that the recorder gave them."""
    stack: list[Any] = [root.grad_fn for root in roots]
    found: dict[int, Any] = {}
    seen: set[Any] = set()
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if KEY in node.metadata:
            found[node.metadata[KEY].node] = node
        stack += [target for target, _ in node.next_functions]
    return found


def real(tensor: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(tensor.resolve_conj().resolve_neg()) if tensor.is_complex() else tensor


def tensor_of(value: Value) -> torch.Tensor:
    """A recorded value as the tensor that it was."""
    numbers = torch.tensor(value.values, dtype=torch.float64)
    return torch.view_as_complex(numbers.reshape(*value.shape, 2)) if "complex" in value.dtype else numbers


def error_of(event: BackwardEvent, node: Any) -> float:
    """The largest relative difference between the recorded local gradients and `node(v)`, for a random `v`."""
    vectors = [None if u is None else torch.randn(u.shape, dtype=getattr(torch, u.dtype)) for u in event.upstream]
    with torch.no_grad():
        try:
            products = node(*vectors)
        except RuntimeError as error:
            # Eigenvectors have a phase that is nobody's: the node takes no gradient that depends on it.
            if "specified up to" not in str(error):
                raise
            vectors = [None if u is None else tensor_of(u) for u in event.upstream]
            products = node(*vectors)
    products = products if isinstance(products, tuple) else (products,)
    worst = 0.0
    for edge, product, (target, output) in zip(event.edges, products, node.next_functions, strict=True):
        if edge.needed and edge.local is not None and edge.local.array is not None:
            worst = max(worst, edge_error(edge, vectors, product, target._input_metadata[output]))
    return worst


def edge_error(edge: Edge, vectors: list[Any], product: Any, meta: Any) -> float:
    wanted = as_input(product, meta)
    assert edge.local is not None and edge.local.array is not None
    local = torch.tensor(np.array(edge.local.array, np.float64))
    given = [real(v).double() for v in vectors if v is not None]
    if edge.local.form == "elementwise":
        got = (given[0] * local).sum_to_size(tuple(meta.shape))
        terms = (given[0] * local).abs()
    else:
        flat = torch.cat([v.reshape(-1) for v in given])
        matrix = local.reshape(flat.numel(), wanted.numel())
        got = (flat @ matrix).reshape(wanted.shape)
        terms = flat.abs().max() * matrix.abs() if matrix.numel() else matrix
    if not wanted.numel():
        return 0.0
    # By the size of the terms: where they cancel, nothing but rounding is left of their sum.
    scale = max(float(wanted.abs().max()), float(terms.max()) if terms.numel() else 0.0, 1e-300)
    return float((got.reshape(wanted.shape) - wanted).abs().max()) / scale


def as_input(product: Any, meta: Any) -> torch.Tensor:
    """As the engine hands it on: in the input's shape and kind of number, complex as pairs."""
    shape = tuple(meta.shape)
    if product is None:
        product = torch.zeros(shape, dtype=meta.dtype)
    product = product.to_dense() if product.layout is not torch.strided else product
    product = product.sum_to_size(shape) if tuple(product.shape) != shape else product
    if meta.dtype.is_complex and not product.is_complex():
        product = product + 0j
    if product.is_complex() and not meta.dtype.is_complex:
        product = product.real
    return real(product).double()

"""Ops of PyTorch's own database, chosen for shape: recorded, with twins, and checked against `node(v)`."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import OpInfo

import backstep
from backstep.trace.verify import verify
from tests.recorder.second_way import error_of, nodes_by_number

CHOSEN = """
add sub mul div pow exp log sqrt sin tanh sigmoid abs clamp where maximum amax
sum mean prod std var_mean logsumexp norm cumsum cumprod
mm bmm addmm matmul dot einsum linalg.svd linalg.inv linalg.solve linalg.qr outer
nn.functional.linear nn.functional.conv2d nn.functional.layer_norm nn.functional.batch_norm nn.functional.relu
nn.functional.gelu nn.functional.softplus nn.functional.mse_loss nn.functional.cross_entropy nn.functional.embedding
nn.functional.scaled_dot_product_attention nn.functional.max_pool2d softmax log_softmax
cat stack split unbind chunk expand reshape permute transpose diagonal narrow select index_select gather scatter
scatter_add masked_fill index_put take_along_dim unfold as_strided
fft.fft fft.irfft view_as_real view_as_complex real imag conj angle complex polar
sort topk max median
sparse.mm to_sparse
""".split()

SAMPLES = 4


def chosen() -> list[Any]:
    by_name: dict[str, OpInfo] = {}
    for op in op_db:
        if op.name in CHOSEN and op.supports_autograd:
            by_name.setdefault(op.name, op)
    return [pytest.param(op, id=name) for name, op in sorted(by_name.items())]


def outputs_of(result: Any) -> list[torch.Tensor]:
    if isinstance(result, torch.Tensor):
        return [result] if result.grad_fn is not None else []
    return [t for item in result for t in outputs_of(item)] if isinstance(result, list | tuple) else []


def seeds_for(outputs: list[torch.Tensor]) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(t.shape, dtype=t.dtype) for t in outputs]


def test_all_the_chosen_ops_exist() -> None:
    assert len(chosen()) >= 60
    assert set(CHOSEN) == {parameter.id for parameter in chosen()}


@pytest.mark.parametrize("op", chosen())
def test_every_node_has_a_twin_and_the_true_local_gradient(op: OpInfo) -> None:
    dtypes = [d for d in (torch.float64, torch.complex128) if d in op.supported_backward_dtypes("cpu")]
    edges = 0
    for dtype in dtypes:
        for sample in list(op.sample_inputs("cpu", dtype, requires_grad=True))[:SAMPLES]:
            with backstep.record(max_elements=8192) as recording:
                outputs = outputs_of(op(sample.input, *sample.args, **sample.kwargs))
                outputs = [t for t in outputs if t.layout is torch.strided]
                if op.name == "nn.functional.layer_norm" and sample.input.shape == (1,):
                    continue  # one element minus itself: the gradient is nothing but the kernel's rounding
                if not outputs or (op.name == "linalg.svd" and dtype.is_complex):
                    continue  # the complex singular vectors have a phase that is nobody's
                torch.autograd.backward(outputs, seeds_for(outputs), retain_graph=True)
            edges += check(recording, outputs)
    assert edges or op.name in ("to_sparse",)


def check(recording: Any, outputs: list[torch.Tensor]) -> int:
    """Checks one recording; returns how many edges had a local gradient."""
    trace = recording.trace
    nodes = nodes_by_number(outputs)
    assert not list(trace.find(kind="note"))
    executed = list(trace.find(kind="backward"))
    assert executed
    for event in executed:
        assert event.forward is not None and event.node in trace.event(event.forward).nodes
        assert error_of(event, nodes[event.node]) < 1e-6
    assert not verify(trace).failures
    return sum(e.local is not None and e.local.array is not None for event in executed for e in event.edges if e.needed)

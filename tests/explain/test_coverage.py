"""A part of PyTorch's operator database: every kind of node has its formula, every event its sentence."""

from __future__ import annotations

import pytest
from torch.testing._internal.common_methods_invocations import op_db

from tests.explain.coverage import counted

NAMES = """
add mul div pow where clamp sum mean std var logsumexp cumsum prod mm bmm addmm einsum linalg.svd linalg.inv cat stack
split expand gather scatter_add masked_fill index_put sort topk max median nn.functional.conv2d nn.functional.gelu
nn.functional.layer_norm nn.functional.batch_norm nn.functional.mse_loss nn.functional.embedding nn.functional.ctc_loss
nn.functional.scaled_dot_product_attention nn.functional.max_pool2d nn.functional.grid_sample fft.fft cdist renorm
""".split()


@pytest.mark.parametrize("part", range(4))
def test_every_kind_of_node_has_a_formula(part: int) -> None:
    chosen = {op.name: op for op in op_db if op.name in NAMES and op.supports_autograd}
    assert chosen.keys() == set(NAMES)
    kinds, entries = counted(list(chosen.values())[part::4])
    assert kinds and [kind for kind, where in kinds.items() if where == "none"] == []
    assert set(entries) <= {"hand", "PyTorch", "no gradient"}

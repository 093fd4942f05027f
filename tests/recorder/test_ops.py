"""Ops of PyTorch's own database: recorded, with twins, and checked against `node(v)`.

Some, chosen for their shape; with `pytest --op-db` all that support autograd.
"""

from __future__ import annotations

import pytest

from tests.recorder.op_database import differentiable, examine

CHOSEN = """
add sub mul div pow exp log sqrt sin tanh sigmoid abs clamp where maximum amax
sum mean prod std var_mean logsumexp norm cumsum cumprod
mm bmm addmm matmul dot einsum linalg.svd linalg.inv linalg.solve linalg.qr linalg.eig outer
nn.functional.linear nn.functional.conv2d nn.functional.layer_norm nn.functional.batch_norm nn.functional.relu
nn.functional.gelu nn.functional.softplus nn.functional.mse_loss nn.functional.cross_entropy nn.functional.embedding
nn.functional.scaled_dot_product_attention nn.functional.max_pool2d nn.functional.multi_head_attention_forward
softmax log_softmax
cat stack split unbind chunk expand reshape permute transpose diagonal narrow select index_select gather scatter
scatter_add masked_fill index_put take_along_dim unfold as_strided as_strided_scatter
fft.fft fft.irfft view_as_real view_as_complex real imag conj angle complex polar
sort topk max median
sparse.mm to_sparse
""".split()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "entry" in metafunc.fixturenames:
        titles = sorted(differentiable())
        if not metafunc.config.getoption("--op-db"):
            titles = [title for title in titles if title.split()[0] in CHOSEN and not is_variant(title, titles)]
        metafunc.parametrize("entry", titles)


def is_variant(title: str, titles: list[str]) -> bool:
    """Whether an entry of the same operator comes before it."""
    return next(other for other in titles if other.split()[0] == title.split()[0]) != title


def test_all_the_chosen_ops_exist() -> None:
    assert {title.split()[0] for title in differentiable()} >= set(CHOSEN)


def test_every_node_has_a_twin_and_the_true_local_gradient(entry: str) -> None:
    found = examine(differentiable()[entry])
    assert not found.problems
    assert found.edges or found.omitted or entry not in CHOSEN

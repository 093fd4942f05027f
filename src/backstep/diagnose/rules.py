"""Every rule, in the order in which they look."""

from __future__ import annotations

from backstep.diagnose import (
    activation_before_loss,
    backward_twice,
    divergence,
    graph_across_iterations,
    inplace_modification,
    leaf_replaced,
    loss_broadcast,
    missing_zero_grad,
    no_gradient,
    non_finite,
)
from backstep.diagnose.finding import Rule

RULES: tuple[Rule, ...] = (
    inplace_modification.RULE,
    backward_twice.RULE,
    graph_across_iterations.RULE,
    leaf_replaced.RULE,
    no_gradient.RULE,
    missing_zero_grad.RULE,
    loss_broadcast.RULE,
    activation_before_loss.RULE,
    divergence.RULE,
    non_finite.RULE,
)

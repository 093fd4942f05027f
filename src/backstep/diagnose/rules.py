"""Every rule, in the order in which they look."""

from __future__ import annotations

from backstep.diagnose import (
    activation_before_loss,
    backward_twice,
    clip_misplaced,
    dead_gradient,
    divergence,
    evaluation_mode,
    gradient_leak,
    graph_across_iterations,
    graph_kept_alive,
    inplace_modification,
    leaf_replaced,
    loss_broadcast,
    missing_zero_grad,
    no_gradient,
    non_finite,
    not_updated,
    optimizer_recreated,
    scheduler_before_optimizer,
    symmetric_weights,
    zeroed_before_step,
)
from backstep.diagnose.finding import Rule

RULES: tuple[Rule, ...] = (
    inplace_modification.RULE,
    backward_twice.RULE,
    graph_across_iterations.RULE,
    leaf_replaced.RULE,
    no_gradient.RULE,
    missing_zero_grad.RULE,
    zeroed_before_step.RULE,
    activation_before_loss.RULE,
    clip_misplaced.RULE,
    dead_gradient.RULE,
    divergence.RULE,
    evaluation_mode.RULE,
    gradient_leak.RULE,
    graph_kept_alive.RULE,
    loss_broadcast.RULE,
    non_finite.RULE,
    not_updated.RULE,
    optimizer_recreated.RULE,
    scheduler_before_optimizer.RULE,
    symmetric_weights.RULE,
)

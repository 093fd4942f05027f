"""Which loop is the training loop: the innermost one around a backward pass and the update that uses it."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.trace.iterations import Iterations
from backstep.trace.records import ContextRow


class Script:
    """A script as the recorder sees it: passes of loops, backward passes and updates, in order."""

    def __init__(self) -> None:
        self.iterations = Iterations()
        self._context, self._count, self._loops = 0, 0, 0

    def loop(self, head: int, passes: int) -> Iterator[int]:
        """The passes of one run of the loop in line `head`."""
        outer, self._loops = self._context, self._loops + 1
        loop = self._loops
        for index in range(passes):
            self._count += 1
            self.iterations.extend([ContextRow(outer, loop, head, index, 0, index)])
            self._context = self._count
            yield index
            self._context = outer

    def here(self) -> int:
        return self._context

    def backward(self, *leaves: int) -> int:
        self.iterations.backward(self._context)
        for leaf in leaves:
            self.iterations.delivered(leaf, self._context)
        return self._context

    def step(self, *leaves: int) -> int:
        for leaf in leaves:
            self.iterations.updated(leaf, self._context)
        return self._context

    def numbers(self, contexts: list[int]) -> list[int | None]:
        return [self.iterations.number(context) for context in contexts]


def test_one_loop() -> None:
    script, seen = Script(), []
    for _ in script.loop(1, 3):
        script.backward(0)
        seen.append(script.step(0))
    assert script.numbers([0, *seen]) == [None, 0, 1, 2]


def test_batches_inside_epochs_count_through() -> None:
    script, epochs, batches = Script(), [], []
    for _ in script.loop(1, 2):
        epochs.append(script.here())
        for _ in script.loop(2, 3):
            script.backward(0)
            batches.append(script.step(0))
    assert script.numbers(batches) == [0, 1, 2, 3, 4, 5]
    assert script.numbers(epochs) == [None, None]


def test_a_step_every_second_batch_is_an_iteration_a_batch() -> None:
    script, batches = Script(), []
    for index in script.loop(1, 4):
        batches.append(script.backward(0))
        if (index + 1) % 2 == 0:
            script.step(0)
    assert script.numbers(batches) == [0, 1, 2, 3]


def test_micro_batches_in_an_inner_loop_are_one_iteration() -> None:
    script, micro, outer = Script(), [], []
    for _ in script.loop(1, 2):
        for _ in script.loop(2, 3):
            micro.append(script.backward(0))
        outer.append(script.step(0))
    assert script.numbers(outer) == [0, 1]
    assert script.numbers(micro) == [0, 0, 0, 1, 1, 1]


def test_the_two_updates_of_a_gan_are_one_iteration() -> None:
    script, seen = Script(), []
    for _ in script.loop(1, 2):
        script.backward(0, 1)
        script.step(1)
        script.backward(0, 1)
        seen.append(script.step(0))
    assert script.numbers(seen) == [0, 1]


def test_without_any_loop_the_script_is_one_iteration() -> None:
    script = Script()
    script.backward(0)
    script.step(0)
    assert script.numbers([0]) == [0]


def test_without_an_update_the_loop_around_the_backward_pass_counts() -> None:
    script, seen = Script(), []
    for _ in script.loop(1, 3):
        seen.append(script.backward(0))
    assert script.numbers([0, *seen]) == [None, 0, 1, 2]


def test_an_evaluation_between_epochs_is_no_iteration() -> None:
    script, training, evaluation = Script(), [], []
    for _ in script.loop(1, 2):
        for _ in script.loop(2, 2):
            script.backward(0)
            training.append(script.step(0))
        for _ in script.loop(3, 2):
            evaluation.append(script.here())
    assert script.numbers(training) == [0, 1, 2, 3]
    assert script.numbers(evaluation) == [None, None, None, None]


def test_a_loop_inside_the_training_loop_belongs_to_the_iteration() -> None:
    script, inner = Script(), []
    for _ in script.loop(1, 2):
        for _ in script.loop(2, 2):
            inner.append(script.here())
        script.backward(0)
        script.step(0)
    assert script.numbers(inner) == [0, 0, 1, 1]


def test_a_loop_over_the_parameters_is_not_the_training_loop() -> None:
    script, seen = Script(), []
    for _ in script.loop(1, 2):
        seen.append(script.backward(0, 1))
        for leaf in script.loop(2, 2):
            script.step(leaf)
    assert script.numbers(seen) == [0, 1]


def test_a_training_loop_run_twice_counts_on() -> None:
    script, seen = Script(), []
    for _ in range(2):
        for _ in script.loop(1, 2):
            script.backward(0)
            seen.append(script.step(0))
    assert script.numbers(seen) == [0, 1, 2, 3]


def test_a_check_of_the_model_before_training_does_not_stay_an_iteration_loop() -> None:
    script = Script()
    script.backward(0)
    assert script.numbers([0]) == [0]
    seen = []
    for _ in script.loop(1, 2):
        script.backward(0)
        seen.append(script.step(0))
    assert script.numbers(seen) == [0, 1]


def test_the_version_changes_when_numbers_that_were_read_may_be_others() -> None:
    script = Script()
    versions = []
    for _ in script.loop(1, 3):
        for _ in script.loop(2, 2):
            script.backward(0)
        versions.append(script.iterations.version)
        script.step(0)
    assert versions[1] > versions[0], "the outer loop turned out to be the training loop"
    assert versions[2] == versions[1], "nothing new was learnt in the second pass"


def test_a_pass_that_is_bound_late_is_counted_once() -> None:
    """What a batch tells of loop variables comes after all of its passes."""
    iterations = Iterations()
    for index in range(4):
        iterations.extend([ContextRow(0, 1, 7, index, 0, None, pending=index == 1)])
        if index == 0:
            iterations.backward(1)
    iterations.bind(2, 0, 1)
    assert iterations.numbers[1:] == [0, 1, 2, 3]


def test_a_critic_trained_more_often_than_its_generator_is_in_one_iteration_with_it() -> None:
    script, critic, generator = Script(), [], []
    for _ in script.loop(1, 2):
        for _ in script.loop(2, 3):
            script.backward(0)
            critic.append(script.step(0))
        script.backward(1)
        generator.append(script.step(1))
    assert script.numbers(generator) == [0, 1]
    assert script.numbers(critic) == [0, 0, 0, 1, 1, 1]


def test_the_inner_steps_of_meta_learning_are_part_of_the_iteration() -> None:
    """Their passes deliver to no leaf; the update of the outer loop uses the outer pass alone."""
    script, inner, outer = Script(), [], []
    for _ in script.loop(1, 2):
        for _ in script.loop(2, 2):
            for _ in script.loop(3, 2):
                inner.append(script.backward())
        script.backward(0)
        outer.append(script.step(0))
    assert script.numbers(outer) == [0, 1]
    assert script.numbers(inner) == [0] * 4 + [1] * 4


def test_what_is_done_to_a_leaf_after_its_update_uses_no_gradient() -> None:
    """As when a model is set back to begin anew, or its weights are clamped at the end of an epoch."""
    script, trials, batches = Script(), [], []
    for _ in script.loop(1, 2):
        trials.append(script.step(0))
        for _ in script.loop(2, 2):
            script.backward(0)
            batches.append(script.step(0))
    assert script.numbers(batches) == [0, 1, 2, 3]
    assert script.numbers(trials) == [None, None]


def test_a_gradient_looked_at_once_an_epoch_does_not_make_the_epoch_an_iteration() -> None:
    script, batches = Script(), []
    for _ in script.loop(1, 2):
        script.backward()
        for _ in script.loop(2, 2):
            script.backward(0)
            batches.append(script.step(0))
    assert script.numbers(batches) == [0, 1, 2, 3]

"""Runs one recorded op again, a little to each side of the recorded point: the slope without any derivative.

A program of its own, `python -m backstep.recorder.estimate`: a request as JSON comes in, the estimates go out. It is
told plainly where torch is missing, where the op cannot be run from what was recorded, or gives other numbers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from backstep.trace.signature import bind, parameters

Run = Callable[..., Any]

STEP = 1e-6
"""How far an input is nudged, relative to itself and at least absolutely; in double precision."""
SAME, HALF = 1e-3, 3e-2
"""How far the op may be from its recorded result when it is run again, and if that has half precision."""


class CannotRun(Exception):
    """One plain line on why there is no estimate."""


@dataclass(frozen=True, slots=True)
class Slope:
    """Of one element: upstream times the difference quotient of what the op gives, summed; `below` and `above` from
    one side only. `size` is the sum of what was added up, each number by its magnitude."""

    both: float
    below: float
    above: float
    size: float


def estimates(request: dict[str, Any]) -> list[Slope]:
    """For each element of the input that was asked for, the slope there."""
    inputs = [tensor_of(value) for value in request["inputs"]]
    run = runner(request, inputs)
    upstream = [None if value is None else tensor_of(value) for value in request["upstream"]]
    here = results(run(clones(inputs)))
    found = []
    for element in request["elements"]:
        nudge = STEP * max(1.0, abs(float(inputs[request["input"]].reshape(-1)[element])))
        more, less = (nudged(run, inputs, request["input"], element, by) for by in (nudge, -nudge))
        below, above = quotient(upstream, less, here, nudge), quotient(upstream, here, more, nudge)
        both = quotient(upstream, less, more, 2 * nudge)
        found.append(Slope(sum_of(both), sum_of(below), sum_of(above), sum(float(part.abs().sum()) for part in both)))
    return found


def nudged(run: Run, inputs: list[Any], place: int, element: int, by: float) -> list[Any]:
    """What the op gives with one number of one input moved a little."""
    given = clones(inputs)
    given[place].view(-1)[element] += by
    return results(run(given))


def quotient(upstream: list[Any], less: list[Any], more: list[Any], apart: float) -> list[Any]:
    """Of each output that a gradient arrived at: the gradient times how fast it moved."""
    ends = zip(upstream, less, more, strict=False)
    return [arrived.double() * moved(a, b) / apart for arrived, a, b in ends if arrived is not None]


def moved(a: Any, b: Any) -> Any:
    """How far a result moved; what is infinite on both sides stayed where it was."""
    return (b.double() - a.double()).masked_fill(a == b, 0.0)


def sum_of(parts: list[Any]) -> float:
    return sum(float(part.sum()) for part in parts)


def tensor_of(value: dict[str, Any]) -> Any:
    """A tensor again, in double precision if it is of floating point."""
    import torch

    dtype = getattr(torch, value["dtype"])
    made = torch.tensor(value["values"], dtype=torch.float64 if dtype.is_floating_point else dtype)
    return made.reshape(value["shape"])


def runner(request: dict[str, Any], inputs: list[Any]) -> Run:
    """The first way to call the op that gives again what was recorded; `CannotRun` with the last reason."""
    reason = CannotRun(f"{request['op']} is no function of torch's")
    for run in ways(request):
        try:
            check_same(request, run(clones(inputs)))
        except CannotRun as error:
            reason = error
        except Exception as error:
            first = str(error).split("\n")[0]
            reason = CannotRun(f"{request['op']} cannot be run again from what was recorded: {first}")
        else:
            return run
    raise reason


def ways(request: dict[str, Any]) -> Iterator[Run]:
    """The aten op by its own names, or the function that the user called, its other arguments where they may be."""
    import torch

    arguments = [(name, argument_of(value)) for name, value in request["arguments"]]
    if request["aten"]:
        _, name, overload = request["aten"].split(".")
        op = getattr(getattr(torch.ops.aten, name), overload)
        yield lambda inputs: op(**by_names(str(op._schema), inputs, arguments))
    plain = [value for argument, value in arguments if argument is None]
    named = {argument: value for argument, value in arguments if argument is not None}
    if request["op"] == "getitem":
        yield lambda inputs: inputs[0][index_of(plain[0])]
        yield lambda inputs: inputs[0][plain[0]]
    for place in (torch.nn.functional, torch, torch.Tensor):
        function = getattr(place, request["op"], None)
        if callable(function):
            yield partial(tensors_first, function, plain, named)
            yield partial(numbers_between, function, plain, named)


def index_of(written: Any) -> Any:
    """An index again: `"1:3"` is a slice, `"..."` the ellipsis, a list the indices of several dimensions."""
    if isinstance(written, list):
        return tuple(map(index_of, written))
    if written == "...":
        return ...
    if isinstance(written, str):
        return slice(*(int(part) if part else None for part in written.split(":")))
    return written


def tensors_first(function: Run, plain: list[Any], named: dict[str, Any], inputs: list[Any]) -> Any:
    return function(*inputs, *plain, **named)


def numbers_between(function: Run, plain: list[Any], named: dict[str, Any], inputs: list[Any]) -> Any:
    """As `layer_norm(x, shape, weight, bias)` has them."""
    return function(inputs[0], *plain, *inputs[1:], **named)


def by_names(schema: str, inputs: list[Any], arguments: list[tuple[str | None, Any]]) -> dict[str, Any]:
    """The arguments by the names that the op has for them; what the user's function has besides must say nothing."""
    bound = bind(schema, inputs, arguments)
    if bound is None:
        raise CannotRun("the arguments of the op cannot be told apart")
    known = {parameter.name for parameter in parameters(schema)}
    return {name: value for name, value in bound.items() if name in known or value not in (None, False)}


def clones(inputs: list[Any]) -> list[Any]:
    return [value.clone() for value in inputs]


def argument_of(value: Any) -> Any:
    """A dtype again, for floating point that of double precision; everything else as it was written."""
    import torch

    if not isinstance(value, str) or not value.startswith("torch."):
        return value
    told = getattr(torch, value.removeprefix("torch."))
    return torch.float64 if isinstance(told, torch.dtype) and told.is_floating_point else told


def results(made: Any) -> list[Any]:
    """The tensors that an op gives."""
    return list(tensors(made))


def tensors(made: Any) -> Iterator[Any]:
    import torch

    if isinstance(made, torch.Tensor):
        yield made
    elif isinstance(made, list | tuple):
        for part in made:
            yield from tensors(part)


def check_same(request: dict[str, Any], made: Any) -> None:
    """The op must give again what was recorded: a random one does not."""
    import torch

    if request["result"] is None:
        return
    there, again = tensor_of(request["result"]).double(), results(made)
    scale = float(there.abs().max()) if there.numel() else 0.0
    same = HALF if request["result"]["dtype"] in ("bfloat16", "float16") else SAME
    if not again or again[0].shape != there.shape or not torch.allclose(
        again[0].double(), there, rtol=same, atol=same * scale, equal_nan=True
    ):  # fmt: skip
        raise CannotRun(f"{request['op']} gives other numbers when it is run again: it is random, or depends on more")


def main() -> int:
    request = json.load(sys.stdin)
    try:
        answer: dict[str, Any] = {"estimates": [asdict(slope) for slope in estimates(request)]}
    except ImportError:
        answer = {"why": "torch is not installed here: an op can only be run again with it"}
    except CannotRun as reason:
        answer = {"why": str(reason)}
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

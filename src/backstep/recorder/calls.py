"""What a torch function does, told by its name and by what it did: how a call becomes an event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from types import BuiltinFunctionType, MethodDescriptorType, WrapperDescriptorType
from typing import Any

import numpy as np
import torch

TAKES_OUT = frozenset(
    """
    item tolist numpy __bool__ __float__ __int__ __index__ __complex__ __array__ equal allclose is_nonzero
    __contains__ __dlpack__
    """.split()
)
"""What takes a value out of torch."""

SILENT = frozenset(
    """
    size dim ndimension numel nelement stride storage_offset element_size storage untyped_storage data_ptr
    is_contiguous is_floating_point is_complex is_signed is_tensor is_storage is_same_size is_inference
    is_pinned is_shared is_conj is_neg is_set_to get_device register_hook register_post_accumulate_grad_hook
    retain_grad has_names dim_order __len__ __hash__ __repr__ __str__ __format__ __reduce__ __reduce_ex__
    __setstate__ __dir__ names backward grad typename result_type can_cast promote_types broadcast_shapes
    get_default_dtype _is_view _is_zerotensor _nnz __dlpack_device__ _has_compatible_shallow_copy_type _version
    _make_subclass _make_wrapper_subclass pin_memory __torch_dispatch__
    """.split()
)
"""Sizes, properties and registrations: no events."""

QUIET = frozenset(
    ["_set_grad_enabled", *(f"get {p}" for p in "shape dtype device layout ndim is_leaf requires_grad".split())]
)
"""No events, and nothing in them of which torch could warn."""

CHANGING = frozenset("requires_grad requires_grad_ detach_ data set_ resize_ resize_as_ sparse_resize_".split())
"""They change a tensor in ways that its version does not tell."""

PROPERTIES = frozenset(["data", "T", "mT", "H", "mH", "real", "imag"])
"""Properties that make a tensor."""

PRIMITIVE = frozenset("add sub mul div neg pow exp log sqrt sin cos tanh sigmoid relu".split())
"""One aten op each, whatever the shapes and dtypes that they are given: only what kind of argument stands where
decides which."""

SHARING = frozenset({"data", "detach", "detach_", "view", "view_as", "reshape", "flatten", "unsqueeze", "squeeze"})
"""The result may be the argument's memory outside the graph."""

VIEWS = frozenset(
    """
    getitem select narrow diagonal t T mT H mH adjoint transpose swapaxes movedim permute unbind split chunk expand
    expand_as ravel unflatten unfold as_strided swapdims moveaxis tensor_split hsplit vsplit
    """.split()
)
"""The result may be a part of the argument's memory."""

GIVING_AWAY = frozenset(
    """
    data numpy __array__ __dlpack__ from_numpy from_dlpack frombuffer asarray as_tensor share_memory_ set_ data_ptr
    storage untyped_storage
    """.split()
)
"""From then on somebody may write to the memory, and no version of a tensor tells."""

UNINITIALISED = ("empty", "new_empty")
UNCOUNTED = ("_foreach_", "_fused_", "_amp_foreach_")
"""In-place ops on lists, which may leave the versions as they were."""

RESULT_IS_ARGUMENT = frozenset({"requires_grad_", "retains_grad", "share_memory_", "rename_", "refine_names"})


METHODS = (MethodDescriptorType, WrapperDescriptorType)


class Sort(Enum):
    """What is done about a function."""

    BARE = 0
    OP = 1
    SET_GRAD = 2
    SET_DATA = 3


class Function:
    """What is known of one torch function."""

    __slots__ = (
        "aliases", "changes", "empty", "in_place", "method", "number", "observed", "op", "primitive", "quiet", "shares",
        "sort", "takes_out", "uncounted", "views",
        "whole",
    )  # fmt: skip

    def __init__(self, func: Any, text: Callable[[str], int]) -> None:
        name = getattr(func, "__name__", str(func))
        if isinstance(func, torch._ops.OpOverload):
            name = func._schema.name.split("::")[-1]
        self.sort = Sort.OP
        self.quiet = name in QUIET
        if name in ("__get__", "__set__", "__delete__"):
            descriptor = getattr(func, "__self__", None)
            prop = getattr(descriptor, "__name__", "") or getattr(getattr(descriptor, "fget", None), "__name__", "")
            if name == "__get__":
                self.sort = Sort.OP if prop in PROPERTIES else Sort.BARE
                self.quiet = f"get {prop}" in QUIET
            else:
                self.sort = {"grad": Sort.SET_GRAD, "data": Sort.SET_DATA}.get(prop, Sort.BARE)
            name = prop
        elif name in SILENT or (name.startswith(("_has_", "is_")) and name not in TAKES_OUT):
            self.sort = Sort.BARE
        self.op = written(name)
        self.number = text(self.op)
        self.takes_out = name in TAKES_OUT
        self.changes = name in CHANGING
        in_c = isinstance(func, (BuiltinFunctionType, *METHODS))
        self.primitive = in_c and self.op in PRIMITIVE
        self.method = isinstance(func, METHODS) or getattr(torch.Tensor, name, None) is func
        """Written `x.f()`; else `torch.f(x)`."""
        self.shares = name in GIVING_AWAY
        self.aliases = self.op in SHARING
        self.views = self.aliases or self.op in VIEWS
        self.empty = self.op.startswith(UNINITIALISED)
        self.uncounted = self.op.startswith(UNCOUNTED) and self.op.endswith("_")
        self.whole = self.op.startswith("_foreach_") and self.uncounted
        """Not to be seen through: under a dispatch mode it would leave its tensors' versions as they were."""
        self.in_place = self.op.endswith("_") or self.op == "setitem"
        self.observed = self.sort is Sort.BARE and (self.shares or name == "grad")
        """No event, but something to be learned from."""


OPERATORS = frozenset("add sub mul div truediv floordiv pow matmul mod and or xor lshift rshift".split())
ALIASES = {"__and__": "bitwise_and", "__or__": "bitwise_or", "__xor__": "bitwise_xor", "__invert__": "bitwise_not"}


def written(name: str) -> str:
    """The name of an op as its user would say it: `mul` for `__rmul__`, `sub_` for `__isub__`."""
    if name in ALIASES:
        return ALIASES[name]
    if not (name.startswith("__") and name.endswith("__")):
        return name
    plain = name.strip("_")
    for prefix, suffix in (("r", ""), ("i", "_")):
        if plain[:1] == prefix and plain[1:] in OPERATORS:
            plain = plain[1:] + suffix
            break
    return plain.replace("truediv", "div").replace("floordiv", "floor_divide").replace("mod", "remainder")


def tensors_in(things: Any) -> Iterator[torch.Tensor]:
    """The tensors among arguments or results, in order, also in lists, tuples and dicts."""
    if isinstance(things, torch.Tensor):
        yield things
    elif isinstance(things, list | tuple):
        for thing in things:
            yield from tensors_in(thing)
    elif isinstance(things, dict):
        for thing in things.values():
            yield from tensors_in(thing)


def sort_out(
    args: Any, kwargs: dict[str, Any], text: Callable[[str], int]
) -> tuple[list[torch.Tensor], tuple[tuple[int, Any], ...]]:
    """The tensors among the arguments, and the other arguments: (name's number, value as JSON has it), in order."""
    tensors: list[torch.Tensor] = []
    others: list[tuple[int, Any]] = []
    for arg in args:
        kind = type(arg)
        if kind is torch.Tensor or kind is torch.nn.Parameter:
            tensors.append(arg)
        elif kind is int or kind is float or kind is bool or arg is None:
            others.append((0, plain(arg)))
        else:
            found = list(tensors_in(arg))
            if found:
                tensors += found
            else:
                others.append((0, plain(arg)))
    for name, arg in kwargs.items():
        found = list(tensors_in(arg))
        if found:
            tensors += found
        else:
            others.append((text(name), plain(arg)))
    return tensors, tuple(others)


def without_numbers(arguments: tuple[tuple[int, Any], ...]) -> tuple[tuple[int, Any], ...]:
    """The arguments without lists of data; sizes and dimensions, lists of whole numbers, stay."""
    return tuple((name, "..." if holds_data(given) else given) for name, given in arguments)


def holds_data(given: Any) -> bool:
    return isinstance(given, list | dict) and not (isinstance(given, list) and all(type(n) is int for n in given))


def plain(thing: Any, depth: int = 0) -> Any:
    """A value as JSON has it; what it has no form for is named by its type or its text."""
    if isinstance(thing, np.generic):
        thing = thing.item()
    if isinstance(thing, int | float | str) and type(thing) not in (bool, int, float, str):
        thing = next(kind for kind in (bool, int, float, str) if isinstance(thing, kind))(thing)
    if thing is None or isinstance(thing, bool | float) or type(thing) is str:
        return thing if not isinstance(thing, str) or len(thing) <= 1000 else thing[:1000] + "..."
    if type(thing) is int:
        return thing if -(1 << 63) <= thing < 1 << 63 else str(thing)
    if isinstance(thing, list | tuple) and depth < 4:
        return [plain(item, depth + 1) for item in thing[:1000]]
    if isinstance(thing, dict) and depth < 4:
        return {str(key): plain(item, depth + 1) for key, item in list(thing.items())[:100]}
    if isinstance(thing, torch.dtype | torch.device | torch.layout | torch.memory_format):
        return str(thing)
    if isinstance(thing, slice):
        return f"{'' if thing.start is None else thing.start}:{'' if thing.stop is None else thing.stop}" + (
            f":{thing.step}" if thing.step is not None else ""
        )
    if thing is Ellipsis:
        return "..."
    if isinstance(thing, complex):
        return str(thing)
    # A user's own __repr__ is not called: it may do anything, and it may hold an address.
    return getattr(thing, "__qualname__", None) or f"<{type(thing).__name__}>"


def signature(func: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """What decides which aten ops a call runs, as far as that can be told beforehand."""
    key: list[Any] = [func, torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")]
    for arg in args:
        _sign(arg, key)
    for name, arg in kwargs.items():
        key.append(name)
        _sign(arg, key)
    return tuple(key)


def _sign(arg: Any, key: list[Any]) -> None:
    if isinstance(arg, torch.Tensor):
        contiguous = arg.layout is not torch.strided or arg.is_contiguous()
        key.append((arg.dim(), arg.requires_grad, arg.dtype, arg.layout, type(arg), contiguous))
    elif isinstance(arg, bool | str | int) or arg is None:
        key.append(arg if not isinstance(arg, int) or isinstance(arg, bool) else (-2 < arg < 5 and arg))
    elif isinstance(arg, list | tuple):
        key.append(len(arg))
        for item in arg[:8]:
            _sign(item, key)
    elif isinstance(arg, slice):
        key.append((arg.start in (None, 0), arg.stop is None, arg.step in (None, 1)))
    else:
        key.append(type(arg))

"""The app is put together from parts: of two methods with one name the first hands on, or the other is a stub."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from backstep.tui import App

CALLED_IN_ALL = {"__init__", "on_mount"}
"""Python by `super`, Textual by itself."""


def is_stub(method: Callable[..., Any]) -> bool:
    return "raise NotImplementedError" in inspect.getsource(method)


def hands_on(method: Callable[..., Any]) -> bool:
    return "super()." in inspect.getsource(method)


def test_no_part_of_the_app_hides_what_another_has() -> None:
    parts = [part for part in App.__mro__ if part.__module__.startswith("backstep.tui")]
    hidden = []
    for index, part in enumerate(parts):
        for name, method in vars(part).items():
            if not inspect.isfunction(method) or name in CALLED_IN_ALL or hands_on(method):
                continue
            behind = [other for other in parts[index + 1 :] if inspect.isfunction(vars(other).get(name))]
            hidden += [(name, part.__name__, other.__name__) for other in behind if not is_stub(vars(other)[name])]
    assert not hidden, "the second one's method is never reached"

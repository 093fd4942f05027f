"""What is worked out once for each trace and kept while the trace lives, within bounds."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from backstep.trace.trace import Trace

P = ParamSpec("P")
R = TypeVar("R")


def per_trace(size: int) -> Callable[[Callable[Concatenate[Trace, P], R]], Callable[Concatenate[Trace, P], R]]:
    """Caches a function of a trace and hashable arguments; the `size` answers asked for last are kept.

    Not `lru_cache`: that would keep a closed trace, and the file it holds, alive.
    """

    def decorate(function: Callable[Concatenate[Trace, P], R]) -> Callable[Concatenate[Trace, P], R]:
        caches: WeakKeyDictionary[Trace, OrderedDict[Hashable, Any]] = WeakKeyDictionary()

        @functools.wraps(function)
        def cached(trace: Trace, /, *args: P.args, **kwargs: P.kwargs) -> R:
            answers = caches.setdefault(trace, OrderedDict())
            key = (args, *kwargs.items())
            if key in answers:
                answers.move_to_end(key)
                return answers[key]  # type: ignore[no-any-return]
            answer = answers[key] = function(trace, *args, **kwargs)
            if len(answers) > size:
                answers.popitem(last=False)
            return answer

        return cached

    return decorate

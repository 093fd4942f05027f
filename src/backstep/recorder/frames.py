"""Where in the user's program an event happens: its site, the frames around it, the loops it is in.

Walking outwards from the hook, torch's own frames and ours are left out. A frame is told from another that has
taken its place in memory by a token in its `f_trace`, which nothing reads while no tracer is on.
"""

from __future__ import annotations

import inspect
import os
import sys
import sysconfig
import weakref
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from backstep.recorder import cells
from backstep.recorder.syntax import Loop, Site, SourceFile, find_site, returns_at

OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
LIBRARIES = tuple({os.path.realpath(sysconfig.get_path(p)) + os.sep for p in ("purelib", "platlib", "stdlib")})

SCRIPT, LIBRARY, TORCH, HIDDEN, END = range(5)
MAIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
"""What runs the script: its frames and those further out are no part of the program."""
HIDING = frozenset({"<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>", "<frozen runpy>"})
WRAPPERS = frozenset(
    "wrapper wrapped _no_grad_wrapper decorate_context inner profile_hook_step _fn handle_torch_function".split()
)


class Token:
    """Marks one activation of a frame; called, and doing nothing, only if a tracer is switched on later."""

    __slots__ = ("__weakref__",)

    def __call__(self, *_: object) -> None:
        return None


def token_of(frame: FrameType) -> Any:
    """What tells this activation of the frame from every other."""
    mark = frame.f_trace
    if type(mark) is Token:
        return mark
    if mark is not None or sys.gettrace() is not None:
        return id(frame)
    token = Token()
    frame.f_trace = token
    return token


def call_of(frame: FrameType | None) -> Any:
    """What tells one call from the next, in the frame that makes it; it does not keep the token alive.

    Whoever waits for the end of a call waits for its token to go. A token has one plain reference at a time.
    """
    if frame is None:
        return None
    token = token_of(frame)
    return token if isinstance(token, int) else weakref.ref(token)


class Spot:
    """A way through the code to an event, the same each time it is taken: what the source says about it."""

    __slots__ = (
        "bound", "expression", "inner", "operands", "outer", "place", "receives", "sites", "torch_function", "unpacked",
    )  # fmt: skip

    inner: Site
    """The site of the innermost frame that is not torch's."""

    def __init__(self) -> None:
        self.sites: tuple[Site, ...] = ()
        """The sites from the script's own inwards."""
        self.place = 0
        self.bound: str | None = None
        """The name that the result is bound to."""
        self.unpacked: tuple[str | None, ...] = ()
        """The names that its parts are bound to."""
        self.expression = ""
        self.operands: tuple[str | None, ...] = ()
        self.receives = False
        self.torch_function: str | None = None
        self.outer: tuple[Site, ...] = ()
        """The site of each frame that is not torch's, outermost first, but for the innermost."""


class Where:
    """The place of one event: the spot, and the pass of the loops around it."""

    __slots__ = ("context", "spot")

    def __init__(self, spot: Spot, context: int) -> None:
        self.spot = spot
        self.context = context


NOWHERE = Where(Spot(), 0)


class Pass:
    """One pass of one loop that is under way."""

    __slots__ = ("activation", "context", "index", "loop", "pending", "seen")

    def __init__(self, loop: Loop, activation: int) -> None:
        self.loop = loop
        self.activation = activation
        self.index = 0
        self.context = 0
        self.seen: dict[str, Any] = {}
        self.pending = False


class Activation:
    """A frame as it was at the last event."""

    __slots__ = ("callee", "context", "lasti", "loops", "order", "passes", "spots", "token")

    def __init__(self, token: Any) -> None:
        self.token = token
        self.order: tuple[int, int, int] = (0, 0, 0)
        self.callee: Any = None
        self.passes: list[Pass] = []
        self.lasti = -1
        self.loops: tuple[Loop, ...] | None = None
        """The loops around the last event, as its site has them."""
        self.context = 0
        self.spots: dict[Any, Spot] | None = None
        """The spots seen in this frame, by instruction and the torch frames further in; None in a generator's frame,
        which may be resumed from elsewhere."""


RESUMED = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
MOST_SPOTS = 1 << 16
"""Ways through the code that are remembered; then they are found anew."""


WITHHELD = "(expression)"
"""The name of what is bound to no variable, where no source text is kept."""


class Frames:
    """Resolves frames to places. One for a recording; what belongs to a thread is in `Loops`."""

    def __init__(
        self, folder: str, read_file: Callable[[SourceFile], None], place: Callable[[tuple[Site, ...]], int], *,
        keeps_source: bool = True,
    ) -> None:  # fmt: skip
        self._keeps_source = keeps_source
        self._folder = os.path.realpath(folder) + os.sep
        self._read_file = read_file
        self._place = place
        self._kinds: dict[int, int] = {}
        """By `id()` of the code, which `_codes` keeps alive: to hash a code is to hash all of its instructions."""
        self._codes: list[CodeType] = []
        self._spots: dict[tuple[int, ...], Spot] = {}
        self._ways: dict[tuple[int, ...], dict[Any, Spot]] = {}
        """What `Activation.spots` is in a frame that is reached by this way."""
        self._sites: dict[tuple[int, int], Site] = {}
        self._returns: dict[tuple[int, int], bool] = {}
        self._files: dict[str, SourceFile] = {}
        self._base: FrameType | None = None
        self._around = 0

    def begin_at(self, frame: FrameType) -> None:
        """Frames further out, and the loops around where this one is now, are no part of the recording."""
        self._base = frame
        self._around = len(self.site(frame.f_code, frame.f_lasti).loops)

    def end(self) -> None:
        """Lets go of the frame."""
        self._base = None

    def kind(self, code: CodeType) -> int:
        kind = self._kinds.get(id(code))
        return self._keep(code, self._classify(code.co_filename)) if kind is None else kind

    def hide(self, code: CodeType) -> None:
        """Frames of this code are ours."""
        self._keep(code, HIDDEN)

    def _keep(self, code: CodeType, kind: int) -> int:
        self._codes.append(code)
        self._kinds[id(code)] = kind
        return kind

    def _classify(self, filename: str) -> int:
        if filename == MAIN:
            return END
        if filename.startswith(OWN) or filename in HIDING:
            return HIDDEN
        path = os.path.realpath(filename)
        if f"{os.sep}torch{os.sep}" in path and path.startswith(self._torch_folders()):
            return TORCH
        if path.startswith(OWN):
            return HIDDEN
        libraries = any(path.startswith(folder) for folder in LIBRARIES) or f"{os.sep}site-packages{os.sep}" in path
        if filename.startswith("<"):
            return SCRIPT if filename.startswith(("<stdin>", "<string>", "<ipython", cells.TIMED)) else LIBRARY
        return SCRIPT if path.startswith(self._folder) and not libraries else LIBRARY

    @staticmethod
    def _torch_folders() -> tuple[str, ...]:
        torch = sys.modules.get("torch")
        return tuple(os.path.realpath(p) + os.sep for p in torch.__path__) if torch is not None else ()

    def site(self, code: CodeType, lasti: int) -> Site:
        key = (id(code), lasti)
        site = self._sites.get(key)
        if site is None:
            self.kind(code)  # which keeps it alive
            site = self._sites[key] = find_site(self._file(code), code, lasti)
        return site

    def _file(self, code: CodeType) -> SourceFile:
        path, text = cells.timed(code) or (code.co_filename, None)
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = SourceFile.read(path, self._shown(path), text)
            self._read_file(file)
        return file

    def _shown(self, path: str) -> str:
        cell = cells.name_of(path)
        if cell is not None:
            return cell
        real = os.path.realpath(path)
        roots = [self._folder, *(os.path.realpath(p or os.curdir) + os.sep for p in sys.path)]
        inside = [real[len(root) :] for root in roots if real.startswith(root)]
        if real.startswith(self._folder):
            return inside[0]
        return min(inside, key=len) if inside else os.path.basename(path)

    def returns(self, code: CodeType, lasti: int) -> bool:
        key = (id(code), lasti)
        found = self._returns.get(key)
        if found is None:
            # module.py runs the global hooks between the call and its return; it always hands on the result.
            module = code.co_filename.endswith(os.path.join("nn", "modules", "module.py"))
            detour = code.co_name in ("handle_torch_function", "__iter__")  # which hands on an iterator over it
            found = self._returns[key] = module or detour or returns_at(code, lasti)
        return found

    def where(self, frame: FrameType | None, loops: Loops) -> Where:
        """The place of what happens now in `frame` or further in."""
        # Mostly the same frame runs on. Those around it wait for it, so they are where they were.
        kinds = self._kinds
        inner = frame
        key: Any = None
        callee: FrameType | None = None
        while inner is not None:
            kind = kinds.get(id(inner.f_code), END)
            if kind == TORCH:
                key = (key, id(inner.f_code), inner.f_lasti)
                callee = inner
            elif kind != HIDDEN:
                break
            inner = inner.f_back
        if inner is not None and kind < TORCH:
            activation = loops.find(inner.f_trace)
            if activation is not None and activation.spots is not None:
                spot = activation.spots.get(inner.f_lasti if key is None else (key, inner.f_lasti))
                if spot is not None:
                    return Where(spot, loops.go_on(activation, inner, spot, callee, self.around(inner)))
        return self._walk(frame, loops)

    def around(self, frame: FrameType) -> int:
        """How many of the loops around this frame's instruction do not count: they are around the recording."""
        return self._around if frame is self._base else 0

    def _walk(self, frame: FrameType | None, loops: Loops) -> Where:
        """The same, with a look at every frame."""
        kinds, base = self._kinds, self._base
        users: list[FrameType] = []
        callee: FrameType | None = None
        way: list[int] = []
        outside = 0
        key: Any = None
        while frame is not None:
            code = frame.f_code
            kind = kinds.get(id(code))
            if kind is None:
                kind = self.kind(code)
            if kind <= TORCH:
                way.append(id(code))
                way.append(frame.f_lasti)
                if kind < TORCH:
                    outside = outside or len(way)
                    users.append(frame)
                elif not users:
                    callee = frame
                    key = (key, id(code), frame.f_lasti)
            elif kind == END:
                break
            if frame is base:
                break
            frame = frame.f_back
        if not users:
            return NOWHERE
        spot = self._spots.get(tuple(way))
        if spot is None:
            spot = self._find(users, tuple(way))
        context = loops.context(users, spot, callee, self.around(users[-1]))
        inner = users[0]
        activation = loops.innermost
        if activation.spots is None and not inner.f_code.co_flags & RESUMED and type(activation.token) is Token:
            activation.spots = self._ways.setdefault((id(inner.f_code), *way[outside:]), {})
        if activation.spots is not None:
            activation.spots[inner.f_lasti if key is None else (key, inner.f_lasti)] = spot
        return Where(spot, context)

    def _find(self, users: list[FrameType], key: tuple[int, ...]) -> Spot:
        """A way that is taken for the first time: looks it up in the source."""
        codes = {id(code): code for code in self._codes}
        spot = Spot()
        sites: list[Site] = []
        script = -1
        climbing = True
        for number, lasti in zip(key[::2], key[1::2], strict=True):
            code = codes[number]
            if self.kind(code) == TORCH:
                climbing = climbing and self.returns(code, lasti)
                if not sites and code.co_name not in WRAPPERS:
                    spot.torch_function = code.co_name
                continue
            site = self.site(code, lasti)
            sites.append(site)
            if climbing:
                spot.bound, spot.unpacked = site.bound, site.unpacked
                climbing = site.returns and site.bound is None and not site.unpacked
            if script < 0 and self.kind(code) == SCRIPT:
                script = len(sites) - 1
        spot.sites = tuple(sites[max(script, 0) :: -1])
        spot.expression = spot.sites[0].code if self._keeps_source else WITHHELD
        spot.operands, spot.receives = sites[0].operands, sites[0].receives
        spot.inner, spot.outer = sites[0], tuple(sites[:0:-1])
        spot.place = self._place(spot.sites)
        if len(self._spots) >= MOST_SPOTS:
            self._spots.clear()
            self._ways.clear()
        self._spots[key] = spot
        return spot

    def outermost_torch(self, frame: FrameType | None) -> FrameType | None:
        """The frame of the torch function that the program called to get here."""
        found = None
        while frame is not None and self.kind(frame.f_code) >= TORCH:
            if self.kind(frame.f_code) == TORCH:
                found = frame
            frame = frame.f_back
        return found

    def raised_at(self, sites: list[tuple[CodeType, int]]) -> Spot:
        """The place of an exception, given the code and instruction of each frame of its traceback."""
        known = [(self.kind(code), self.site(code, lasti)) for code, lasti in sites if self.kind(code) < TORCH]
        own = [index for index, (kind, _) in enumerate(known) if kind == SCRIPT]
        spot = Spot()
        spot.sites = tuple(site for _, site in known[own[-1] if own else -1 :])
        spot.place = self._place(spot.sites)
        return spot


class Loops:
    """The passes of the loops that a thread is in, followed from event to event."""

    def __init__(self, begin: Callable[..., int], bind: Callable[..., None]) -> None:
        self._begin = begin
        self._bind = bind
        self._stack: list[Activation] = []
        self._activations = 0
        self.sparse = False
        """One look a pass, between two windows: then the same place again is the next pass, whatever the variables say
        (a batch may lie where the last one lay)."""

    def context(self, users: list[FrameType], spot: Spot, callee: FrameType | None, around: int) -> int:
        """The context of an event, given its frames, innermost first, and the innermost one's torch callee.

        The first `around` loops of the outermost frame do not count: they are around the recording.
        """
        context = 0
        sites = (*spot.outer, spot.inner)
        frames = users[::-1]
        for level, (frame, site) in enumerate(zip(frames, sites, strict=True)):
            token = token_of(frame)
            if level == len(self._stack) or self._stack[level].token is not token:
                del self._stack[level:]
                self._stack.append(Activation(token))
            inner = frames[level + 1] if level + 1 < len(frames) else callee
            called = call_of(inner)
            activation = self._stack[level]
            before = len(activation.passes)
            wanted = site.loops if level else site.loops[around:]
            context = self._enter(activation, frame, site, wanted, called, context)
            if len(activation.passes) != before:
                del self._stack[level + 1 :]
        del self._stack[len(frames) :]
        return context

    @property
    def innermost(self) -> Activation:
        """The frame of the last event."""
        return self._stack[-1]

    def passes(self) -> list[Pass]:
        """The passes that the thread is in, outermost first."""
        return [under_way for activation in self._stack for under_way in activation.passes]

    def find(self, token: Any) -> Activation | None:
        """The activation that a frame has marked, if it is on the stack; those further in are over."""
        stack = self._stack
        if type(token) is not Token or not stack:
            return None
        if stack[-1].token is token:
            return stack[-1]
        for level in range(len(stack) - 2, -1, -1):
            if stack[level].token is token:
                del stack[level + 1 :]
                return stack[level]
        return None

    def context_at(self, token: Any, depth: int, outer: int) -> int:
        """The context inside the first `depth` loops of the frame with this mark; `outer` where it is in none."""
        for activation in self._stack:
            if activation.token is token and depth > 0 and activation.passes:
                return activation.passes[:depth][-1].context
        return outer

    def go_on(
        self, activation: Activation, frame: FrameType, spot: Spot, callee: FrameType | None, around: int
    ) -> int:
        """The context of an event in the innermost frame on the stack."""
        site = spot.inner
        called = call_of(callee)
        if site.loops is activation.loops and not site.fetch and not site.test:
            order = activation.order
            if site.order > order or (called is not None and called is activation.callee and site.order == order):
                passes = activation.passes
                if not passes or not passes[-1].pending:
                    activation.order, activation.callee, activation.lasti = site.order, called, frame.f_lasti
                    return activation.context
        wanted = site.loops[around:] if around else site.loops
        outer = self._stack[-2].context if len(self._stack) > 1 else 0
        return self._enter(activation, frame, site, wanted, called, outer)

    def _enter(
        self, activation: Activation, frame: FrameType, site: Site, wanted: tuple[Loop, ...], called: Any, context: int
    ) -> int:
        passes = activation.passes
        activation.loops, activation.lasti = site.loops, frame.f_lasti
        if site.test and wanted and (len(passes) < len(wanted) or passes[len(wanted) - 1].loop is not wanted[-1]):
            wanted = wanted[:-1]  # the first test of a `while` comes before its first pass
        common = 0
        while common < min(len(passes), len(wanted)) and passes[common].loop is wanted[common]:
            common += 1
        del passes[common:]
        again = site.order == activation.order and (called is None or called is not activation.callee)
        went_back = site.order < activation.order or again
        # Whatever a loop's iterator runs to make its next element belongs to the one pass that then begins.
        fetching = site.fetch and common == len(wanted) and bool(passes) and passes[-1].pending
        if fetching and any(changed(outer, frame_values(outer, frame)) for outer in passes[:-1]):
            fetching, went_back = False, True  # there was no other element: this one is for the next time around
        if common and went_back and not (fetching or site.inlined or site.test):
            self._pass(passes, frame, site, again, len(wanted))
        elif common == len(wanted) and passes and passes[-1].pending and not site.fetch:
            if began_anew(passes, frame):
                self._turn(passes, len(passes) - 2, frame, pending=False)
            else:
                self._bind_late(passes[-1], frame)
        for loop in wanted[len(passes) :]:
            self._activations += 1
            new = Pass(loop, self._activations)
            passes.append(new)
            above = passes[-2].context if len(passes) > 1 else context
            self._open(new, frame, above, site.fetch and loop is wanted[-1])
        activation.order = (1 << 30, 0, 0) if site.test else site.order
        activation.callee = called
        activation.context = passes[-1].context if passes else context
        return activation.context

    def _pass(self, passes: list[Pass], frame: FrameType, site: Site, again: bool, wanted: int) -> None:
        """The code went back: which of the loops around it has begun a new pass?"""
        turned = len(passes) - 1
        values = read_variables(frame, [name for p in passes for name in p.loop.variables])
        if again and not self.sparse and not site.fetch and passes[-1].loop.is_for and not changed(passes[-1], values):
            return
        for level, under_way in enumerate(passes[:-1]):
            inner = passes[level + 1]
            # While the next element is fetched, the inner loop's variable is still the last one's.
            anew = not under_way.loop.is_for and not site.fetch and restarted(inner, values)
            if changed(under_way, values) or anew:
                turned = level
                break
        self._turn(passes, turned, frame, pending=site.fetch and turned == wanted - 1, values=values)

    def _turn(
        self, passes: list[Pass], level: int, frame: FrameType, *, pending: bool, values: dict[str, Any] | None = None
    ) -> None:
        """The next pass of one of the loops begins, and ends those in it."""
        under_way = passes[level]
        above = passes[level - 1].context if level else None
        del passes[level + 1 :]
        under_way.index += 1
        self._open(under_way, frame, above, pending, values)

    def _open(
        self, under_way: Pass, frame: FrameType, above: int | None, pending: bool, values: dict[str, Any] | None = None
    ) -> None:
        if above is None:
            above = under_way.seen.get("", 0)
        if values is None:
            values = frame_values(under_way, frame)
        name, number = (under_way.loop.name, None) if pending else own_number(under_way.loop, values)
        under_way.seen = {n: values.get(n) if type(values.get(n)) is int else id(values.get(n)) for n in values}
        under_way.seen[""] = above
        under_way.pending = pending
        loop = under_way.loop.head
        under_way.context = self._begin(above, under_way.activation, loop, under_way.index, name, number, pending)

    def _bind_late(self, under_way: Pass, frame: FrameType) -> None:
        values = frame_values(under_way, frame)
        name, number = own_number(under_way.loop, values)
        above = under_way.seen[""]
        under_way.seen = {n: v if type(v) is int else id(v) for n, v in values.items()}
        under_way.seen[""] = above
        under_way.pending = False
        self._bind(under_way.context, under_way.loop.head, name, number)


def frame_values(under_way: Pass, frame: FrameType) -> dict[str, Any]:
    """What the variables of a loop are now."""
    return read_variables(frame, under_way.loop.variables)


def changed(under_way: Pass, values: dict[str, Any]) -> bool:
    """Whether a variable of this loop holds another object than when its pass began."""
    seen = under_way.seen
    names = [name for name in under_way.loop.variables if name in values and name in seen]
    if not under_way.loop.is_for:
        return any((v if type(v := values[n]) is int else id(v)) != seen[n] for n in names if type(values[n]) is int)
    return any((v if type(v := values[n]) is int else id(v)) != seen[n] for n in names)


def restarted(under_way: Pass, values: dict[str, Any]) -> bool:
    """Whether a loop that counts has begun to count anew."""
    return any(
        type(values.get(name)) is int and type(under_way.seen.get(name)) is int and values[name] <= under_way.seen[name]
        for name in under_way.loop.numbered
    )


def began_anew(passes: list[Pass], frame: FrameType) -> bool:
    """Whether the innermost loop, whose next element has been fetched, is in the next pass of a `while`."""
    *_, outer, inner = (None, *passes)
    going_on = inner is not None and inner.index > 0 and outer is not None and not outer.loop.is_for
    return going_on and restarted(inner, frame_values(inner, frame))


def own_number(loop: Loop, values: dict[str, Any]) -> tuple[str, int | None]:
    """The loop's variable and its number, if it has one: `batch` in `for batch, (x, y) in enumerate(...)`."""
    for name in loop.numbered:
        if type(values.get(name)) is int:
            return name, values[name]
    return loop.name, None


def read_variables(frame: FrameType, names: Any) -> dict[str, Any]:
    """The values of some variables of a running frame."""
    if not names:
        return {}
    code = frame.f_code
    snapshot = frame.f_locals
    found = {name: snapshot[name] for name in names if name in snapshot}
    if code.co_flags & 0x1 and type(snapshot) is dict and "locals" not in code.co_names and "vars" not in code.co_names:
        # Before 3.13 this dict is a copy that stays on the frame and would keep the user's objects alive.
        snapshot.clear()
    for name in names:
        if name not in found and name in frame.f_globals and name in code.co_names:
            found[name] = frame.f_globals[name]
    return found


def clear_tokens(frame: FrameType | None) -> None:
    """Takes our marks off the frames of a thread."""
    while frame is not None:
        if type(frame.f_trace) is Token:
            frame.f_trace = None
        frame = frame.f_back

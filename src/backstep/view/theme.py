"""Colours by meaning. A pane takes a theme and names no colour itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rich.style import Style


@dataclass(frozen=True, slots=True)
class Theme:
    """Styles for what is said, backgrounds for where one is, and the two ends of a heat map as RGB."""

    name: str
    background: Style
    text: Style
    strong: Style
    dim: Style
    rule: Style
    title: Style
    key: Style
    brand: Style
    bar: Style
    forward: Style
    backward: Style
    update: Style
    zero: Style
    error: Style
    good: Style
    warning: Style
    value: Style
    inline: Style
    here_forward: Style
    here_backward: Style
    here_update: Style
    here_zero: Style
    selected: Style
    chip_forward: Style
    chip_backward: Style
    chip_update: Style
    chip_zero: Style
    chip_plain: Style
    negative: tuple[int, int, int]
    positive: tuple[int, int, int]
    neutral: tuple[int, int, int]
    syntax: str
    digits: bool = False
    """Heat maps as signs and digits: where there are no colours."""

    def phase(self, phase: str) -> Style:
        """The colour of a phase."""
        return {"forward": self.forward, "backward": self.backward, "update": self.update, "zero_grad": self.zero}.get(
            phase, self.dim
        )

    def here(self, phase: str) -> Style:
        """The background of the current row in a phase."""
        return {
            "backward": self.here_backward,
            "update": self.here_update,
            "zero_grad": self.here_zero,
        }.get(phase, self.here_forward)

    def chip(self, phase: str) -> Style:
        """A filled box in the colour of a phase."""
        return {
            "forward": self.chip_forward,
            "backward": self.chip_backward,
            "update": self.chip_update,
            "zero_grad": self.chip_zero,
        }.get(phase, self.chip_plain)



@dataclass(frozen=True, slots=True)
class _Inks:
    """The colours that a theme is made of; a theme's `on_chip` is what stands on the others."""

    text: str
    strong: str
    dim: str
    rule: str
    key: str
    forward: str
    backward: str
    update: str
    zero: str
    error: str
    good: str
    warning: str
    inline: str
    on_chip: str


@dataclass(frozen=True, slots=True)
class _Grounds:
    """The backgrounds that a theme is made of."""

    screen: str
    bar: str
    here: str
    here_backward: str
    selected: str
    chip: str


Colour = tuple[int, int, int]


def _theme(name: str, ink: _Inks, ground: _Grounds, heat: tuple[Colour, Colour, Colour], syntax: str) -> Theme:
    def chip(color: str) -> Style:
        return Style(color=ink.on_chip, bgcolor=color, bold=True)

    here = Style(bgcolor=ground.here)
    return Theme(
        name=name,
        background=Style(color=ink.text, bgcolor=ground.screen),
        text=Style(color=ink.text),
        strong=Style(color=ink.strong, bold=True),
        dim=Style(color=ink.dim),
        rule=Style(color=ink.rule),
        title=Style(color=ink.strong, bold=True),
        key=Style(color=ink.key, bold=True),
        brand=chip(ink.forward),
        bar=Style(color=ink.text, bgcolor=ground.bar),
        forward=Style(color=ink.forward),
        backward=Style(color=ink.backward),
        update=Style(color=ink.update),
        zero=Style(color=ink.zero),
        error=Style(color=ink.error, bold=True),
        good=Style(color=ink.good),
        warning=Style(color=ink.warning),
        value=Style(color=ink.strong),
        inline=Style(color=ink.inline, italic=True),
        here_forward=here,
        here_backward=Style(bgcolor=ground.here_backward),
        here_update=here,
        here_zero=here,
        selected=Style(bgcolor=ground.selected),
        chip_forward=chip(ink.forward),
        chip_backward=chip(ink.backward),
        chip_update=chip(ink.update),
        chip_zero=chip(ink.zero),
        chip_plain=Style(color=ink.text, bgcolor=ground.chip, bold=True),
        negative=heat[0],
        neutral=heat[1],
        positive=heat[2],
        syntax=syntax,
    )


DARK = _theme(
    "dark",
    _Inks(
        text="#d8dee9", strong="#eceff4", dim="#98a2b4", rule="#3b4252", key="#f9f26a", forward="#5aaaf2",
        backward="#f09a1a", update="#f9f26a", zero="#a9b0c2", error="#fb7070", good="#9df0bd", warning="#f0b429",
        inline="#79c98a", on_chip="#0f141b",
    ),
    _Grounds("#11151c", "#1d2433", "#1d3454", "#45300f", "#1d2636", "#242c3b"),
    ((176, 122, 230), (26, 32, 40), (78, 214, 120)),
    "nord-darker",
)  # fmt: skip
LIGHT = _theme(
    "light",
    _Inks(
        text="#22272e", strong="#0b0f14", dim="#545d6a", rule="#c3c9d2", key="#6a1b9a", forward="#154bcd",
        backward="#702713", update="#7c6205", zero="#5f647d", error="#c81044", good="#166a3f", warning="#7d4e00",
        inline="#1f6338", on_chip="#ffffff",
    ),
    _Grounds("#fbfbfd", "#e2e7ef", "#d5e6fb", "#fbe2c3", "#e8ecf3", "#dde3ec"),
    ((128, 52, 178), (233, 236, 241), (14, 118, 62)),
    "xcode",
)  # fmt: skip
CONTRAST = _theme(
    "contrast",
    _Inks(
        text="#ffffff", strong="#ffffff", dim="#c4cad6", rule="#8b93a1", key="#fefd8a", forward="#6cb6ff",
        backward="#ffa01e", update="#fefd8a", zero="#c3c9d6", error="#ff7d7d", good="#9efed0", warning="#ffc53d",
        inline="#8fe3a2", on_chip="#000000",
    ),
    _Grounds("#000000", "#1c1c1c", "#06244a", "#3a2300", "#1c1c1c", "#2a2a2a"),
    ((200, 140, 255), (24, 24, 24), (90, 240, 140)),
    "github-dark",
)  # fmt: skip

THEMES = {theme.name: theme for theme in (DARK, LIGHT, CONTRAST)}


def without_colours(theme: Theme) -> Theme:
    """For a terminal that shows greys: no picture may need its colours."""
    return replace(theme, digits=True)

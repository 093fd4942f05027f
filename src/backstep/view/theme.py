"""Colours by meaning. A pane takes a theme and names no colour itself."""

from __future__ import annotations

from dataclasses import dataclass

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


def _style(color: str, background: str | None = None, *, bold: bool = False, italic: bool = False) -> Style:
    return Style(color=color, bgcolor=background, bold=bold or None, italic=italic or None)


DARK = Theme(
    name="backstep-dark",
    background=Style(color="#d8dee9", bgcolor="#11151c"),
    text=_style("#d8dee9"),
    strong=_style("#eceff4", bold=True),
    dim=_style("#7b8494"),
    rule=_style("#3b4252"),
    title=_style("#eceff4", bold=True),
    key=_style("#f9ee71", bold=True),
    brand=_style("#0f1620", "#4fa8ee", bold=True),
    bar=_style("#d8dee9", "#1d2433"),
    forward=_style("#4fa8ee"),
    backward=_style("#eba10b"),
    update=_style("#f9ee71"),
    zero=_style("#a9b1c0"),
    error=_style("#ff6b57", bold=True),
    good=_style("#6fd28b"),
    warning=_style("#f0b429"),
    value=_style("#eceff4"),
    inline=_style("#79c98a", italic=True),
    here_forward=Style(bgcolor="#223a5c"),
    here_backward=Style(bgcolor="#4b3412"),
    here_update=Style(bgcolor="#223a5c"),
    here_zero=Style(bgcolor="#223a5c"),
    selected=Style(bgcolor="#1d2636"),
    chip_forward=_style("#0f1620", "#4fa8ee", bold=True),
    chip_backward=_style("#16100a", "#eba10b", bold=True),
    chip_update=_style("#16140a", "#f9ee71", bold=True),
    chip_zero=_style("#11151c", "#a9b1c0", bold=True),
    chip_plain=_style("#d8dee9", "#242c3b", bold=True),
    negative=(176, 122, 230),
    positive=(78, 214, 120),
    neutral=(26, 32, 40),
    syntax="nord-darker",
)

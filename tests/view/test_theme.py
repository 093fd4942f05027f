"""Everything can be read in every theme, also by who sees colours otherwise; and without any, in ASCII too."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from backstep.view.ascii import ascii_row, spoken, wanted
from backstep.view.heatmap import heatmap
from backstep.view.rows import text_of, width_of
from backstep.view.theme import CONTRAST, DARK, LIGHT, THEMES, Theme, without_colours

INKS = ("text", "strong", "dim", "key", "forward", "backward", "update", "zero", "error", "good", "warning", "inline")
STATES = ("forward", "backward", "update", "zero", "error", "good")
GROUNDS = ("here_forward", "here_backward", "here_update", "here_zero", "selected", "bar")
CHIPS = ("brand", "chip_forward", "chip_backward", "chip_update", "chip_zero", "chip_plain")
LEAST = {"dark": (5.0, 18), "light": (4.7, 11), "contrast": (7.1, 11)}
"""The contrast of text, and how far two states are apart."""

# How eyes without one kind of cones see linear RGB: Machado, Oliveira and Fernandes, 2009, severity 1.
EYES = {
    "normal": np.eye(3),
    "protan": np.array([[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]]),
    "deutan": np.array([[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]]),
    "tritan": np.array([[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]]),
}  # fmt: skip


def ink(theme: Theme, name: str) -> tuple[int, int, int]:
    color = getattr(theme, name).color
    assert color is not None
    return tuple(color.get_truecolor())


def ground(theme: Theme, name: str) -> tuple[int, int, int]:
    color = getattr(theme, name).bgcolor
    assert color is not None
    return tuple(color.get_truecolor())


def linear(rgb: tuple[int, int, int]) -> np.ndarray:
    c = np.array(rgb) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """As WCAG 2 has it."""
    low, high = sorted(float(linear(rgb) @ [0.2126, 0.7152, 0.0722]) + 0.05 for rgb in (one, other))
    return high / low


def lab(light: np.ndarray) -> np.ndarray:
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ light
    f = np.array([t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in xyz / [0.95047, 1, 1.08883]])
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def apart(one: tuple[int, int, int], other: tuple[int, int, int], eye: str) -> float:
    """CIE 1976."""
    a, b = (lab(np.clip(EYES[eye] @ linear(rgb), 0, 1)) for rgb in (one, other))
    return float(np.linalg.norm(a - b))


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)
def test_all_text_can_be_read(theme: Theme) -> None:
    least, _ = LEAST[theme.name]
    for name in INKS:
        assert contrast(ink(theme, name), ground(theme, "background")) >= least, name
        for where in GROUNDS:
            assert contrast(ink(theme, name), ground(theme, where)) >= 4.5, (name, where)
    for chip in CHIPS:
        assert contrast(ink(theme, chip), ground(theme, chip)) >= 4.5, chip


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)
@pytest.mark.parametrize("eye", EYES)
def test_states_can_be_told_apart_by_every_eye(theme: Theme, eye: str) -> None:
    for one, other in combinations(STATES, 2):
        assert apart(ink(theme, one), ink(theme, other), eye) >= LEAST[theme.name][1], (one, other)
    assert apart(theme.negative, theme.positive, eye) >= 40


def test_the_themes_are_dark_light_and_of_high_contrast() -> None:
    assert list(THEMES) == ["dark", "light", "contrast"]
    light = [float(linear(ground(theme, "background")) @ [0.2126, 0.7152, 0.0722]) for theme in (CONTRAST, DARK, LIGHT)]
    assert light == sorted(light) and light[0] == 0 and light[2] > 0.9


def test_without_colours_a_heat_map_is_signs_and_digits() -> None:
    drawn = heatmap(np.array([[9.0, -4.0, 0.1], [np.nan, -9.0, 6.0]]), 30, 4, without_colours(DARK))
    assert text_of(drawn) == "+9 -4  .\n!! -9 +6"
    assert not any(style and style.bgcolor for row in drawn for _, style, _ in row)


def test_a_pool_of_digits_keeps_its_nan() -> None:
    matrix = np.ones((40, 40))
    matrix[33, 21] = np.nan
    drawn = heatmap(matrix, 30, 5, without_colours(DARK))
    assert text_of(drawn).count("!!") == 1 and len(drawn) == 5


@given(st.text())
def test_in_ascii_everything_stays_in_its_cells(text: str) -> None:
    said = spoken(text)
    assert said.isascii()
    if all(cell_len(character) in (1, 2) for character in text):
        assert cell_len(said) == cell_len(text) or not text.isprintable()


def test_a_product_is_told_from_a_blank_in_ascii() -> None:
    assert spoken("(-1.96) · 1 · x = 2·l, 1·ε") == "(-1.96) * 1 * x = 2*l, 1*e"
    assert spoken("x  ·  no grad") == "x  .  no grad"


def test_a_row_keeps_its_styles_in_ascii() -> None:
    row = [Segment("◀ ‖2.4‖ → Δw", Style(bold=True)), Segment("⠀⡀⣿ naïve 結"), Segment("plain")]
    drawn = ascii_row(row)
    assert text_of([drawn]) == "< |2.4| > dw .# naive ??plain" and drawn[0].style == Style(bold=True)
    assert width_of(drawn) == width_of(row)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LANG": "en_US.UTF-8"}, False), ({"LC_CTYPE": "C.UTF-8"}, False), ({"LANG": "de_DE.utf8@euro"}, False),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, True), ({"LANG": "en_US.ISO-8859-1"}, True), ({}, True),
        ({"LANG": "ja_JP.UTF-8"}, True),
    ],
)  # fmt: skip
def test_the_locale_asks_for_ascii(environment: dict[str, str], expected: bool) -> None:
    assert wanted(environment) is expected

"""The README's pictures are what the app draws, and they tell the lecture's numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.screens import FOLDER, SCREENS, drawn, text_of_svg

LECTURE = {
    "ols_forward_120x40": ["y_hat = ", "w * x"],
    "ols_backward_120x40": ["MulBackward0", " -1.96 "],
    "ols_accumulate_120x40": [" -3.96 "],
    "ols_update_120x40": [" 1.04 "],
}


@pytest.mark.parametrize("name", SCREENS)
def test_the_picture_is_fresh(name: str, tmp_path: Path) -> None:
    golden = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    now = drawn(name, tmp_path)
    assert text_of_svg(golden) == text_of_svg(now), "python -m tests.tui.screens draws them anew"


@pytest.mark.parametrize("name", LECTURE)
def test_the_picture_tells_the_lecture(name: str) -> None:
    said = "".join(text_of_svg((FOLDER / f"{name}.svg").read_text(encoding="utf-8"))).replace("&#160;", " ")
    for words in LECTURE[name]:
        assert words in said

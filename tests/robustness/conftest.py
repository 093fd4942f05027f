"""Every test here leaves torch as it found it."""

from __future__ import annotations

from tests.recorder.conftest import nothing_left_behind  # noqa: F401 - a fixture that every test here uses

"""The terminal app. It knows a trace and a position; it never runs the script and never imports torch."""

import os

# Textual paints that often at most; with its own 60 a key that comes just after a frame waits for 17 ms.
os.environ.setdefault("TEXTUAL_FPS", "120")

from backstep.tui.app import App

__all__ = ["App"]

"""The terminal app. It knows a trace and a position; it never runs the script and never imports torch."""

from backstep.tui.app import App

__all__ = ["App"]

"""Stops: conditions on what was recorded, and where they hold."""

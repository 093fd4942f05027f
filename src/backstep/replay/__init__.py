"""The cursor and the state at a position: look-ups in a trace, never a replay from its start."""

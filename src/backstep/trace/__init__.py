"""The trace: the one hand-off between the world with torch and the world without. Nothing here imports torch."""

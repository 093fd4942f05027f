"""What writes a trace while it is recorded: mostly a process of its own, so that the training need not wait for it."""

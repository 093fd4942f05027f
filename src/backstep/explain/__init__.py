"""What happened at a moment, in symbols, numbers and sentences: plain data without any style."""

"""What a step means, in symbols, numbers and a sentence: plain data, without any styling."""

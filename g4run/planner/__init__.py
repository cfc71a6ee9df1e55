"""Plan how to load a model, estimate its memory and speed, and recommend one: pure arithmetic on values."""

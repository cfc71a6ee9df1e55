"""Will it fit, how fast, which one: pure arithmetic on values."""

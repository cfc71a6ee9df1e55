"""Where a grammar stands after what was written, and the shortest way from there to its end. Pure Python."""

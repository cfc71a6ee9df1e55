"""Speculation: tokens are guessed cheaply, and the model checks several in one decode call.

The guess is one sequence of tokens, not a distribution. The model draws at each guessed position as it would have drawn
anyway, from its own logits, and what it drew counts; the first drawn token that differs from the guess ends the step.
So the output is distributed as without speculation, whatever was guessed (Leviathan et al. 2023, with a point mass).
"""

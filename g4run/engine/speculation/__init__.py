"""Speculative decoding: a drafter proposes tokens cheaply, and the model verifies several in one decode call.

A draft is one sequence of tokens, not a distribution. At each drafted position the model draws from its own logits as
usual, and the drawn token counts; the first one that differs from the draft ends the step. The output therefore has the
same distribution as without speculation, whatever the draft (Leviathan et al. 2023, with a point mass).
"""

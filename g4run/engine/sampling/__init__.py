"""Draws the next token: sampler chain, penalties, logprobs, constrained decoding, thinking budget."""

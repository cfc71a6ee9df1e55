"""Tokens in, tokens out: the llama.cpp engine in a process of its own."""

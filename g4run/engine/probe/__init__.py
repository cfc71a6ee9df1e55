"""Asks llama.cpp what a load would take, in a process of its own and without allocating it."""

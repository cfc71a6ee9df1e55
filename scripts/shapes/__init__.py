"""GGUF files with the true shapes of the Gemma 4 family and no real weights.

    python -m scripts.shapes e2b Q4_K_M out.gguf [--fill sparse|random] [--seed N] [--vocabulary real-vocab.gguf]

Sparse files are a header and a hole: a few megabytes on disk, for memory planning. Random files hold valid random
blocks, for timing. Both load in llama.cpp and print the real models' parameter counts.
"""

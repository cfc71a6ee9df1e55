"""A typed wrapper of llama.cpp's C API."""

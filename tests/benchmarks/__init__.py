"""Measurements beside llama.cpp's own tools. Run by hand; nothing here is a test, and nothing asserts a speed."""

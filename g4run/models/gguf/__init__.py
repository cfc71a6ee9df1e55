"""Read GGUF headers, and tell whether llama.cpp would load the file."""

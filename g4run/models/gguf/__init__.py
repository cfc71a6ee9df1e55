"""What a GGUF file says before its weights, and whether llama.cpp would load it."""

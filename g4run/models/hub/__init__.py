"""The Hugging Face Hub and its cache: asking, reading, laying out, clearing away."""

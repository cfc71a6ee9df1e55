"""The catalog of known Gemma 4 files."""

"""Command-line arguments: declared, checked, and converted to values."""

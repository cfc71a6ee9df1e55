"""Live terminal output: streaming answers, progress bars, and status lines."""

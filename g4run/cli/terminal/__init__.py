"""What moves on a terminal: streaming answers, progress bars, status lines."""

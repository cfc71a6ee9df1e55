"""What is on disk under which name."""

"""What you can type after a command, checked and turned into values."""

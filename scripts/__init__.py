"""Scripts that developers and tests run; nothing here is installed."""

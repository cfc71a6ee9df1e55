"""What a model is, where it comes from, and where it lies on disk."""

"""What a person may call a model."""

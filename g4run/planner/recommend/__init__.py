"""Which model, quantization, and settings suit a machine."""

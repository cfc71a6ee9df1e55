"""Which GPUs a machine has, from every source that knows of them."""

"""The GPUs of a machine, from every source that reports them."""

"""What llama.cpp's graph of a micro-batch takes on each device: its tensors, their places, and their memory."""

"""The hardware of a machine: processors, memory, GPUs, disks, and what llama.cpp can use of them."""

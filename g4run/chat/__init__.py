"""The Gemma 4 conversation format: messages, rendering, parsing; pure, without engine or I/O."""

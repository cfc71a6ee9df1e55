"""The Gemma 4 conversation format: messages, rendering, parsing. Pure: no engine, no I/O."""

"""What an answer must look like, as grammars that llama.cpp holds it to: JSON, JSON schemas, tool calls."""

"""Models of other programs: LM Studio, Ollama, and others in the Hugging Face cache."""

"""g4run runs Google's Gemma 4 models on one's own machine."""

__version__ = "0.1.0"

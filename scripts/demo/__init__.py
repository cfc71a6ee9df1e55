"""The built-in model `demo`: its corpus, its tokenizer, its training and its export.

`python -m scripts.demo` rebuilds everything; `__main__.py` says how.
"""

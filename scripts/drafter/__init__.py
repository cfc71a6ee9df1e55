"""The drafter of the built-in model: its training on the demo's hidden states, its export and its measure.

`python -m scripts.drafter` rebuilds it; `__main__.py` says how.
"""

"""Google's chat templates, rendered as transformers does, and what our renderer is measured by with them."""

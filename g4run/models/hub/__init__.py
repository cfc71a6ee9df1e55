"""Requests to the Hugging Face Hub: repositories, links, and headers of remote files."""

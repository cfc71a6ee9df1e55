"""Structured output: JSON schemas, tool calls, GBNF and regular expressions as Lark grammars for llguidance."""

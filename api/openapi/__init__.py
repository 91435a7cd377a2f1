"""
What the server offers, described once: a table of operations, the OpenAPI document made of it and
of the structs that bodies are read with, and the same document as a page for people.
"""

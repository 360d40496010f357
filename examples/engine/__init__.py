"""A small inference engine in NumPy that runs a real model, SmolLM2-135M-Instruct.

Read it in the order of a request: `weights`, `gguf`, `tokenizer`, `cache`, `model`, `generate`.
"""

"""A small inference engine in NumPy that runs a real model, SmolLM2-135M-Instruct.

Read it in the order of a request: `weights`, `gguf`, `tokenizer`, `chat`, `cache`, `layers`, `model`, `runner`,
`sampling`, `text`, `generate`; then `batch` and `inspection`, which look at the same work from the side.
The server stands before all of this, and nothing of it knows the server: `worker`, `protocol`, `replies`,
`service`, `server`.
"""

"""The running request: one question, followed from text to answer, and charged again in every chapter."""

from __future__ import annotations

QUESTION = "What is the capital of France?"
MESSAGES = [{"role": "user", "content": QUESTION}]
# What SmolLM2-135M-Instruct writes, greedily.
ANSWER = "The capital of France is Paris."

# A test counts them with the tokenizer and the model.
PROMPT_TOKENS = 37  # the question in the chat template, system prompt and all
ANSWER_TOKENS = 8  # with the token that ends the message
# The token that was written last is never fed back.
KEPT_TOKENS = PROMPT_TOKENS + ANSWER_TOKENS - 1


def positions_without_cache() -> int:
    """Positions that are computed when every step computes the whole text again."""
    return sum(range(PROMPT_TOKENS, PROMPT_TOKENS + ANSWER_TOKENS))

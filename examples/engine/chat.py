"""A conversation as the model was trained to see it: ChatML, with the default system prompt of SmolLM2.

The file carries its template in Jinja (`tokenizer.chat_template`); a test holds these functions to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from examples.cli import CommandError
from examples.engine.tokenizer import Tokenizer

BEGIN, END = "<|im_start|>", "<|im_end|>"
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
ROLES = ("system", "user", "assistant")
Message = Mapping[str, str]  # {"role": ..., "content": ...}


def checked(messages: Sequence[Message]) -> list[tuple[str, str]]:
    """Role and content of each message, the default system prompt first; CommandError if malformed."""
    if not messages:
        raise CommandError("a conversation has at least one message")
    for message in messages:
        if message.get("role") not in ROLES:
            raise CommandError(
                f"a role is one of {', '.join(ROLES)}, not {message.get('role')!r}"
            )
        if not isinstance(message.get("content"), str):
            raise CommandError("the content of a message is a text")
    pairs = [(message["role"], message["content"]) for message in messages]
    return pairs if pairs[0][0] == "system" else [("system", SYSTEM), *pairs]


def prompt(messages: Sequence[Message]) -> str:
    """The text that the model continues: all messages, and the beginning of its own."""
    turns = [f"{BEGIN}{role}\n{text}{END}\n" for role, text in checked(messages)]
    return "".join(turns) + f"{BEGIN}assistant\n"


def ids(tokenizer: Tokenizer, messages: Sequence[Message]) -> list[int]:
    """The token ids of `prompt`, in which only the template itself has control tokens.

    A user who types `<|im_end|>` sends those characters, and does not end the message.
    """
    begin, end = (tokenizer.ids[token] for token in (BEGIN, END))
    newline = tokenizer.encode("\n")
    found: list[int] = []
    for role, text in checked(messages):
        found += [
            begin,
            *tokenizer.encode(f"{role}\n{text}", special=False),
            end,
            *newline,
        ]
    return [*found, begin, *tokenizer.encode("assistant\n")]

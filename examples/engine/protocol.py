"""What the server accepts: OpenAI's two request bodies, checked to the last field, and its error.

An option that a server reads and silently ignores gives a wrong answer, so an unknown field is refused by
its name. `user` and `metadata` change no answer: they are accepted and not used. The names are those of
OpenAI's API reference; `top_k`, `min_p` and `repetition_penalty` are vLLM's additions. Ranges are the
engine's own, save that of the temperature, which OpenAI's API ends at 2.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator
from pydantic import ValidationError as Invalid
from pydantic_core import PydanticCustomError

from examples.cli import CommandError
from examples.engine.sampling import Sampling

MAX_STOPS = 4


class APIError(Exception):
    """An answer that is an error: its HTTP status, and OpenAI's object that says why."""

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ):
        super().__init__(message)
        self.status, self.headers = status, headers
        kind = "invalid_request_error" if status < 500 else "server_error"
        self.body = {
            "error": {"message": message, "type": kind, "param": param, "code": code}
        }


def refuse(message: str) -> NoReturn:
    """A validator's error, in our own words."""
    raise PydanticCustomError("refused", "{message}", {"message": message})


def between(low: float, high: float) -> AfterValidator:
    """Accept numbers from `low` to `high`."""

    def check(value: float) -> float:
        if not low <= value <= high:
            refuse(f"must lie between {low} and {high}")
        return value

    return AfterValidator(check)


def one_or_several(stop: Any) -> list[str] | None:
    """Stop strings as a list: OpenAI takes one string, or up to four in a list."""
    stops = [stop] if isinstance(stop, str) else stop
    if stops is None:
        return None
    if not isinstance(stops, list) or not all(isinstance(s, str) for s in stops):
        refuse("must be a string or a list of strings")
    if len(stops) > MAX_STOPS or "" in stops:
        refuse(f"must be at most {MAX_STOPS} strings, none of them empty")
    return stops


def text_or_ids(prompt: Any) -> str | list[int]:
    """A prompt is one text or the token ids of one; a batch of prompts is several requests."""
    if isinstance(prompt, str):
        return prompt
    if isinstance(prompt, list) and all(type(i) is int for i in prompt):
        return prompt
    refuse("must be one string or one list of token ids; send a request for each")


class Body(BaseModel):
    """No unknown fields, no number written as a string, no infinity."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class StreamOptions(Body):
    """`include_usage` adds a last chunk with the token counts."""

    include_usage: bool | None = None


class Request(Body):
    """The fields that both endpoints share; null means the default, as in OpenAI's API."""

    model: str
    temperature: Annotated[float, between(0, 2)] | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    max_tokens: Annotated[int, between(1, 2**31 - 1)] | None = None
    stop: Annotated[list[str] | None, PlainValidator(one_or_several)] = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    user: Any = None
    metadata: Any = None

    def sampling(self) -> Sampling:
        """The engine's settings; what the request leaves out keeps the engine's default."""
        given = {field.name: getattr(self, field.name) for field in fields(Sampling)}
        try:
            return Sampling(**{k: v for k, v in given.items() if v is not None})
        except CommandError as error:  # it begins with the setting's name
            name = str(error).partition(" ")[0]
            raise APIError(400, str(error), name, "invalid_value") from None

    @property
    def limit(self) -> int | None:
        """The most tokens to write, if the request says."""
        return self.max_tokens

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


class CompletionRequest(Request):
    """POST /v1/completions: a text to continue."""

    prompt: Annotated[str | list[int], PlainValidator(text_or_ids)]
    echo: Literal[False] | None = None


class Message(Body):
    """A turn of the conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class ChatRequest(Request):
    """POST /v1/chat/completions: a conversation to answer.

    `max_completion_tokens` is the newer name of `max_tokens`; two different values are an error.
    """

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Annotated[int, between(1, 2**31 - 1)] | None = None

    @property
    def limit(self) -> int | None:
        """The most tokens to write, under either name."""
        return self.max_completion_tokens or self.max_tokens


T = TypeVar("T", bound=Request)


def parse(raw: bytes, kind: type[T]) -> T:
    """The request in a body; APIError 400 names what is wrong, and where."""
    try:
        data = json.loads(raw, parse_constant=no_number)
        json.dumps(data, ensure_ascii=False).encode("utf-8")  # no half surrogate pairs
    except RecursionError:
        raise APIError(400, "the body is not valid JSON: nested too deep") from None
    except ValueError as error:
        raise APIError(400, f"the body is not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise APIError(400, "the body must be a JSON object")
    try:
        request = kind.model_validate(data)
    except Invalid as error:
        raise explained(error, kind) from None
    if request.stream_options and not request.stream:
        raise APIError(400, "'stream_options' needs 'stream': true", "stream_options")
    if request.max_tokens and request.limit != request.max_tokens:
        raise APIError(
            400, "give 'max_tokens' or 'max_completion_tokens'", "max_tokens"
        )
    return request


def no_number(name: str) -> NoReturn:
    """Python would read NaN and Infinity, which JSON does not have."""
    raise ValueError(f"{name} is no number")


def explained(invalid: Invalid, kind: type[Request]) -> APIError:
    """The first of a body's faults, as OpenAI's error."""
    fault = invalid.errors(include_url=False)[0]
    first, *rest = fault["loc"]
    param = str(first) + "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest
    )
    if fault["type"] == "extra_forbidden":
        known = f"; known are {', '.join(kind.model_fields)}" if not rest else ""
        message, code = f"unknown parameter '{param}'{known}", "unknown_parameter"
    elif fault["type"] == "missing":
        message, code = f"'{param}' is required", "missing_required_parameter"
    else:
        message, code = f"'{param}': {fault['msg']}", "invalid_value"
    return APIError(400, message, param, code)

"""What may be sent, with its bounds: the OpenAPI document follows from these. What is not named here is let pass.

What an OpenAI client may send and this server cannot honour is named, so that it is refused, never left out silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Name = Annotated[str, Field(min_length=1, max_length=512)]
StopText = Annotated[str, Field(min_length=1, max_length=512)]
TokenId = Annotated[int, Field(ge=0, lt=2**31)]
MOST_MESSAGES = 1024


class Shape(BaseModel):
    """A part of a request: no type is converted, unknown fields are let pass."""

    model_config = ConfigDict(strict=True, extra="ignore")


class StreamOptions(Shape):
    """`include_usage` adds a last chunk with the tokens that were spent."""

    include_usage: bool | None = None


class Drawing(Shape):
    """What chat and completions share."""

    model: Name
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stop: StopText | Annotated[list[StopText], Field(max_length=16)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: (
        dict[Annotated[str, Field(pattern=r"^[0-9]{1,9}$")], Annotated[float, Field(ge=-100, le=100)]] | None
    ) = Field(default=None, max_length=1024)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None

    @model_validator(mode="after")
    def _streams(self) -> Drawing:
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options are for stream: true")
        return self


class Part(Shape):
    """A part of what was said; text is all that the models here read."""

    type: Literal["text"]
    text: str


class FunctionCall(Shape):
    """A call that the model made."""

    name: str
    arguments: str


class ToolCall(Shape):
    """A call of a tool."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class ChatMessage(Shape):
    """One message of a conversation."""

    role: Literal["developer", "system", "user", "assistant", "tool"]
    content: str | Annotated[list[Part], Field(max_length=MOST_MESSAGES)] | None = None
    name: str | None = None
    tool_calls: Annotated[list[ToolCall], Field(max_length=128)] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> ChatMessage:
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise ValueError(f"a message of the {self.role} needs content")
        return self

    @property
    def text(self) -> str:
        """What was said."""
        return self.content or "" if not isinstance(self.content, list) else "".join(p.text for p in self.content)


class Function(Shape):
    """What a tool is called and takes."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(Shape):
    """A tool that the model may call."""

    type: Literal["function"]
    function: Function


class ResponseFormat(Shape):
    """How the answer must look."""

    type: Literal["text", "json_object", "json_schema"]


class Retrieval(Shape):
    """Which passages are looked for, with a model `<name>+rag`."""

    k: Annotated[int, Field(ge=1, le=50)] = 4
    filters: dict[str, Any] | None = None


class ChatRequest(Drawing):
    """Body of `POST /v1/chat/completions`."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_MESSAGES)]
    max_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    rag: Retrieval | None = None
    modalities: list[Literal["text"]] | None = None
    functions: None = None
    function_call: None = None
    audio: None = None
    prediction: None = None
    web_search_options: None = None

    @field_validator("functions", "function_call", "audio", "prediction", "web_search_options", mode="before")
    @classmethod
    def _cannot(cls, value: object) -> object:
        if value is not None:
            raise ValueError("this server cannot honour it")
        return value

    @model_validator(mode="after")
    def _fits(self) -> ChatRequest:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs are for logprobs: true")
        return self


class CompletionRequest(Drawing):
    """Body of `POST /v1/completions`; a prompt is text or token ids, one or many."""

    prompt: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=2048)]
        | Annotated[list[TokenId], Field(min_length=1)]
        | Annotated[list[Annotated[list[TokenId], Field(min_length=1)]], Field(min_length=1, max_length=2048)]
    )
    max_tokens: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    echo: bool | None = None
    best_of: Annotated[int, Field(ge=1, le=128)] | None = None
    suffix: str | None = None

    @model_validator(mode="after")
    def _cannot(self) -> CompletionRequest:
        if self.suffix:
            raise ValueError("suffix: this server cannot honour it")
        if self.best_of is not None and self.best_of != (self.n or 1):
            raise ValueError("best_of must be n: this server cannot choose among more")
        return self


class EmbeddingRequest(Shape):
    """Body of `POST /v1/embeddings`."""

    model: Name
    input: (
        Annotated[str, Field(min_length=1)]
        | Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1, max_length=2048)]
        | Annotated[list[TokenId], Field(min_length=1)]
        | Annotated[list[Annotated[list[TokenId], Field(min_length=1)]], Field(min_length=1, max_length=2048)]
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1)] | None = None
    user: str | None = None


class AddedFile(Shape):
    """A file to write from, as text."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    text: Annotated[str, Field(min_length=1, max_length=200_000)]


class RagRequest(Shape):
    """Body of `POST /v1/rag`: a question answered from the index, or a text written from it, with its sources."""

    question: Annotated[str, Field(min_length=1)]
    task: Literal["answer", "write"] = "answer"
    files: Annotated[list[AddedFile], Field(max_length=8)] = []
    model: Name | None = None
    k: Annotated[int, Field(ge=1, le=50)] = 4
    filters: dict[str, Any] | None = None
    max_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None


class ErrorFacts(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """Every error."""

    error: ErrorFacts


_SAID: Mapping[int | str, str] = {
    400: "The request is wrong",
    401: "No good API key",
    403: "Not from there",
    404: "No such model or route",
    408: "It took too long",
    413: "The request is too large",
    429: "Over the rate",
    500: "The server failed",
    503: "Too busy, or shutting down",
    "default": "Any other error",
}
ERRORS: Mapping[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": said} for status, said in _SAID.items()
}

"""What the parts of the server agree on: a served model, the fleet that picks one, who is let in, what is recorded.

The routes know these alone. So the same routes run over an engine of this process, a Ray Serve handle or vLLM, with any
way of choosing the version and with or without keys.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

Finish = Literal["stop", "length"]


@dataclass(frozen=True)
class Sampling:
    """How one answer is drawn.

    Attributes:
        max_tokens: Most tokens of the answer, at least 1.
        temperature: 0 = the likeliest token each time.
        top_p: Mass of the likeliest tokens that are drawn from.
        stop: Texts that end the answer; they are not part of it.
        seed: Of the draws; None = from the system.
        presence_penalty: Taken off the logit of a token that was made before.
        frequency_penalty: Taken off it once for every time that it was made.
        logit_bias: Token id to what is added to its logit.
        top_logprobs: Alternatives told of with each token; None = no log probabilities.
        json_only: Whether the answer must be one JSON object.
    """

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    top_logprobs: int | None = None
    json_only: bool = False


@dataclass(frozen=True)
class Token:
    """One token of a prompt or an answer. `logprob` is None where nothing stands before it and where none was asked.

    `raw` are its bytes in the text: a character of several bytes may be spread over tokens, a control token has none.
    `top` are the likeliest tokens in its place, the likeliest first.
    """

    id: int
    text: str
    raw: bytes
    logprob: float | None = None
    top: tuple[Token, ...] = ()


@dataclass(frozen=True)
class Piece:
    """A part of an answer: whole characters of text, tokens, and in the last one why the answer ends.

    Tokens come as they are made, the one that ends the answer and those of a stop text too: their number is what was
    spent. Text may come later than its tokens, while it could still become a stop text.
    """

    text: str
    tokens: tuple[Token, ...] = ()
    finish: Finish | None = None


class ServedModel(Protocol):
    """One version of a model, open."""

    @property
    def ref(self) -> str:
        """`name@version`, or the artifact id of a model that is not registered."""
        ...

    @property
    def context(self) -> int:
        """Most tokens of prompt and answer together."""
        ...

    def chat_ids(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()) -> list[int]:
        """A conversation as token ids, up to where the answer begins, by the model's own template.

        Raises:
            ParameterError: The template refuses it, or there are tools and it knows none.
        """
        ...

    def text_ids(self, text: str) -> list[int]:
        """A text as token ids, as the tokenizer gives them: with BOS where it puts one, control tokens recognised."""
        ...

    def tokens(self, ids: Sequence[int]) -> list[Token]:
        """Token ids spelled out, without log probabilities.

        Raises:
            ParameterError: The model has no such token.
        """
        ...

    def generate(self, ids: Sequence[int], sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """One answer, as it is made. Closing the iterator frees what it holds.

        Raises:
            ParameterError: The prompt is empty, too long or has an unknown token (before the first piece).
            Refused: 503, too many wait already (before the first piece).
        """
        ...

    async def score(self, ids: Sequence[int], top: int) -> list[Token]:
        """The prompt's own tokens with their log probabilities, and the `top` likeliest beside each.

        Raises:
            ParameterError, Refused: As `generate`.
        """
        ...

    async def embed(self, prompts: Sequence[Sequence[int]]) -> list[list[float]]:
        """One vector of unit length per text, each given as token ids.

        Raises:
            ParameterError: The model makes none, or a text is longer than its context.
        """
        ...

    async def close(self) -> None:
        """Let go of the weights, when nothing generates any more."""
        ...


ANYONE = "anyone"
"""Caller of a server that has no keys. Nobody in particular: a canary gets a share of its requests, not all or none."""


class Fleet(Protocol):
    """The models that are served, and which version answers under a name."""

    def names(self) -> list[str]:
        """Names that a request may ask for."""
        ...

    def lend(self, name: str, caller: str) -> AbstractAsyncContextManager[ServedModel]:
        """A version of the name; it stays open until it is given back, whatever happens to the alias meanwhile.

        Args:
            name: As asked for: `name`, or `name@version` of a version that is open.
            caller: Who asks; one caller stays on one side of a canary, save `ANYONE`, whose requests are spread.

        Raises:
            NotFoundError: No such model is served.
        """
        ...


@dataclass(frozen=True)
class Caller:
    """Who asks. `id` names the key, never holds it; `redact` = nothing that was said may be recorded."""

    id: str
    redact: bool = False


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """A request that is answered with an error of the API."""

    def __init__(
        self,
        status: int,
        message: str,
        kind: str = "invalid_request_error",
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind = status, message, kind
        self.param, self.code, self.retry_after_s = param, code, retry_after_s


class Gatekeeper(Protocol):
    """Who may ask, how often, how much."""

    def admit(self, headers: Mapping[str, str]) -> Caller:
        """Let a request in.

        Raises:
            Refused: 401 without a good key, 429 over the rate, 503 while the server drains.
        """
        ...

    def spend(self, caller: Caller, tokens: int) -> None:
        """Count tokens of prompt and answer against the caller's rate."""
        ...


@dataclass(frozen=True)
class Asked:
    """One request, answered: for metrics, logs, traces and alerts.

    Attributes:
        id: The request's id, also in the header `x-request-id`.
        route: Path of the route, with no arguments.
        caller: Who asked.
        model: The name that was asked for.
        version: Which version answered; empty where none did.
        status: HTTP status; 499 = the client hung up.
        prompt_tokens: Of the prompt.
        answer_tokens: Of all answers.
        first_token_s: Seconds to the first token; None where none was made.
        seconds: From the first byte of the request to the last of the answer.
        prompt: What was asked, None where the caller wants it redacted.
        answer: What was answered, likewise.
        passages: Row ids that the answer rests on.
        finishes: Why each answer ended: one per choice that came to an end.
    """

    id: str
    route: str
    caller: Caller
    model: str
    version: str
    status: int
    prompt_tokens: int = 0
    answer_tokens: int = 0
    first_token_s: float | None = None
    seconds: float = 0.0
    prompt: Any = None
    answer: str | None = None
    passages: tuple[str, ...] = ()
    finishes: tuple[str, ...] = ()


class Recorder(Protocol):
    """Where finished requests are told of. Never raises, never blocks the loop."""

    def record(self, asked: Asked) -> None:
        """Take note of one."""
        ...


@dataclass(frozen=True)
class Grounding:
    """A conversation with retrieved passages in it.

    Attributes:
        messages: What the model is asked: passages stand in them as quoted data.
        citations: One mapping per passage, numbered as in the messages: `n`, `row_id`, `chunk_id`, `source`, `title`,
            `url`, `score`, `text`.
        filters: Filters that the question named and the index has, and their values.
        notes: What could not be had: a filter on a field that is not there.
        found: Whether any passage speaks of the question; else the answer must say that nothing was found.
    """

    messages: list[dict[str, Any]]
    citations: list[dict[str, Any]]
    filters: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    found: bool = True


class Grounder(Protocol):
    """Retrieval, as the routes use it: `+rag` in chat, and `/v1/rag`. Runs in a thread: it may block."""

    @property
    def fields(self) -> list[str]:
        """Payload fields that may be filtered on."""
        ...

    def ground(
        self, messages: Sequence[Mapping[str, Any]], *, k: int = 4, filters: Mapping[str, Any] | None = None
    ) -> Grounding:
        """Find passages for the last question and put them in.

        Raises:
            ParameterError: A filter names a field that is not in the index.
            SourceError: The store went away.
        """
        ...


@runtime_checkable
class Composer(Protocol):
    """A grounder that can also have a text written, in the corpus's voice and with its sources (`"task": "write"`)."""

    def compose(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        files: Sequence[tuple[str, str]] = (),
        k: int = 4,
        filters: Mapping[str, Any] | None = None,
    ) -> Grounding:
        """Put sources and samples of the voice before the last turn, which says what to write.

        Args:
            messages: As in `Grounder.ground`.
            files: What whoever asks adds: name and text of each.
            k: Passages of the corpus at most.
            filters: As in `Grounder.ground`.

        Raises:
            ParameterError: A filter names a field that is not in the index, a file is blank, or there are too many.
            SourceError: The store went away.
        """
        ...

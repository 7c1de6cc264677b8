"""The door to chat models: `open_chat("openai:gpt-4o-mini")`, or with `base_url` any OpenAI-compatible server."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from corpusmith.core.errors import CorpusmithError, ParameterError
from corpusmith.models.chat_errors import ModelAuthError
from corpusmith.models.chat_failures import mask
from corpusmith.models.chat_model import ChatModel, ChatReply, Reserve, Usage
from corpusmith.models.chat_transport import bounded_client

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["ChatModel", "ChatReply", "open_chat"]

LOCAL_KEY = "not-needed"


def open_chat(
    name: str,
    *,
    base_url: str | None = None,
    api_key: str | SecretStr | None = None,
    timeout_s: float = 60.0,
    max_retries: int = 2,
    temperature: float | None = 0.0,
    seed: int | None = None,
    max_tokens: int = 2048,
    usd_per_million: tuple[float, float] | None = None,
    on_usage: Usage | None = None,
    reserve: Reserve | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> ChatModel:
    """Open a chat model by name.

    Args:
        name: `provider:name` (`openai:gpt-4o-mini`, `anthropic:...`), or a name whose provider LangChain can
            tell; with `base_url` a bare name is one of that server.
        base_url: An OpenAI-compatible server; without it the provider's own, or OPENAI_BASE_URL.
        api_key: The key; without it the provider's variable in the environment. A server at `base_url` may need none.
        timeout_s: Seconds a request may be without an answer; for openai also the most its answer may then take.
        max_retries: Further attempts after a failure that may pass.
        temperature: Sampling temperature; None leaves it to the model (some reasoning models take none).
        seed: Sampling seed, for providers that have one.
        max_tokens: Most tokens of an answer.
        usd_per_million: US dollars per million tokens in and out.
        on_usage: See `ChatModel`.
        reserve: See `ChatModel`.
        sleep: See `ChatModel`.

    Raises:
        ParameterError: The name is unknown, or the provider's package is not installed.
        ModelAuthError: There is no key.
    """
    if not name.strip():
        raise ParameterError("the model has no name", hint="Name it as provider:name, openai:gpt-4o-mini.")
    if ":" not in name and base_url:
        name = f"openai:{name}"
    provider = name.split(":", 1)[0] if ":" in name else ""
    key = api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key
    options: dict[str, Any] = {"timeout": timeout_s, "max_retries": 0, "max_tokens": max_tokens}
    options |= {"temperature": temperature} if temperature is not None else {}
    options |= {"base_url": base_url} if base_url else {}
    if provider != "openai":
        model = _open(name, provider, options, key, local=False)
    else:
        client = bounded_client(timeout_s)
        options |= {"http_client": client}
        options |= {"use_responses_api": False} if base_url else {}
        options |= {"seed": seed} if seed is not None else {}
        try:
            model = _open(name, provider, options, key, local=bool(base_url))
        except CorpusmithError:
            client.close()
            raise
        # its connections are kept for the next request, and closed with the model or at exit
        weakref.finalize(model, client.close)
    return ChatModel(
        name, model, max_retries=max_retries, max_tokens=max_tokens, usd_per_million=usd_per_million,
        on_usage=on_usage, reserve=reserve, sleep=sleep, secrets=[key] if key else [],
    )  # fmt: skip


def _open(name: str, provider: str, options: dict[str, Any], key: str | None, *, local: bool) -> BaseChatModel:
    """The LangChain model; `local` servers are tried without a key of their own when the environment holds none."""
    from langchain.chat_models import init_chat_model

    keys: list[dict[str, Any]] = [{"api_key": key}] if key else [{}, {"api_key": LOCAL_KEY}] if local else [{}]
    problem = ""
    for given in keys:
        try:
            model: BaseChatModel = init_chat_model(name, **options, **given)
        except ImportError as error:
            raise _missing(name, provider, error) from None
        except Exception as error:  # noqa: BLE001 - the boundary: every vendor has its own errors
            problem = mask(str(error), [key] if key else [])
        else:
            return model
    if any(word in problem.lower() for word in ("api_key", "api key", "credentials")):
        hint = "Set the provider's key, OPENAI_API_KEY for openai."
        raise ModelAuthError(f"{name} needs a key", hint=hint, model=name)
    raise ParameterError(f"cannot open the model {name!r}: {problem}", hint="Name it as provider:name.", model=name)


def _missing(name: str, provider: str, error: ImportError) -> ParameterError:
    package = "'corpusmith[llm]'" if provider in {"", "openai"} else f"langchain-{provider.replace('_', '-')}"
    return ParameterError(
        f"the model {name!r} needs a package that is not installed ({error.name or 'its client'})",
        hint=f"pip install {package}",
        model=name,
    )

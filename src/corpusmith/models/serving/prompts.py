"""A request's conversation or text as token ids, encoded as in training (`models.chat_format`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from threading import Lock
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError
from jinja2 import meta as jinja_meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from corpusmith.core.errors import ParameterError
from corpusmith.models.chat_format import ChatFormat, UnfitRow


class Prompts:
    """Encodes for one model."""

    def __init__(self, form: ChatFormat) -> None:
        self._form = form
        self._alone = Lock()  # encoding changes settings of the tokenizer

    def text_ids(self, text: str) -> list[int]:
        """A text as the tokenizer takes it, with BOS where it puts one."""
        with self._alone:
            return [int(token) for token in self._form.tokenizer(text, verbose=False)["input_ids"]]

    def chat_ids(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()) -> list[int]:
        """A conversation up to where the answer begins.

        What people said is text: control tokens spelled in it are not obeyed. Only where tools come in, the template's
        rendering is encoded as a whole.

        Raises:
            ParameterError: The template refuses it, or there are tools and it knows none.
        """
        turns = [(str(one["role"]), one.get("content") or "") for one in messages]
        plain = not tools and all(set(one) <= {"role", "content"} for one in messages)
        if not plain:
            return self._with_tools(messages, tools)
        said = [(role, text) for role, text in turns if role != "system" or text.strip()]
        try:
            with self._alone:
                return self._form.encode_prompt(said)
        except (UnfitRow, TemplateError, TypeError, ValueError) as error:
            raise ParameterError(f"the model's chat template does not take these messages: {error}") from error

    @cached_property
    def knows_tools(self) -> bool:
        """Whether the template reads `tools`."""
        environment = ImmutableSandboxedEnvironment(extensions=["jinja2.ext.loopcontrols"])
        template = str(self._form.tokenizer.get_chat_template(tools=[{}]))
        try:
            return "tools" in jinja_meta.find_undeclared_variables(environment.parse(template))
        except TemplateSyntaxError:  # an extension of transformers: believe the word
            return "tools" in template

    def _with_tools(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> list[int]:
        if not self.knows_tools:
            raise ParameterError("the chat template of this model knows no tools", hint="Ask without tools.")
        try:
            with self._alone:
                ids = self._form.tokenizer.apply_chat_template(
                    list(messages), tools=list(tools) or None, add_generation_prompt=True, return_dict=False
                )
        except (TemplateError, TypeError, ValueError, KeyError, AttributeError) as error:
            raise ParameterError(f"the model's chat template does not take these messages: {error}") from error
        return [int(token) for token in ids]

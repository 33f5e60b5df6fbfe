"""What a model answers with. The descriptions are part of the schema that it is given."""

import json
import re

from pydantic import BaseModel, Field, ValidationError

MOST_TEXT = 2000
"""Characters of a description or reasoning that are kept: they stand in every later prompt."""


class Edit(BaseModel):
    """One search/replace edit."""

    file: str = Field(description="the file's name, as shown")
    search: str = Field(description="text that stands exactly once in the file, to the letter, whole lines")
    replace: str = Field(description="what stands there instead")


class Asi(BaseModel):
    """The reasoning, kept with the result."""

    hypothesis: str = Field(description="what you expect, and why")
    arch_change: str = Field(default="", description="what differs; NAME old→new where it is a constant")
    expected: str = Field(default="", description="the metric you expect, or by how much it changes")
    next_action_hint: str = Field(default="", description="what to try if it works, and if it does not")


class Reply(BaseModel):
    """The answer to one message of the operator."""

    id: str = Field(description="the message's id")
    text: str = Field(description="one sentence")


class Answer(BaseModel):
    """One change."""

    description: str = Field(min_length=1, description="the change in one line, such as: MATRIX_LR 0.02→0.03")
    asi: Asi
    edits: list[Edit] = Field(description="made in order; all must apply")
    answers: list[Reply] = Field(default_factory=list, description="one for each message of the operator")


class NoAnswer(ValueError):
    """A text holds no usable answer; the message tells the model what is wrong with it."""


def from_text(text: str) -> Answer:
    """The answer in a text of a model that did not use the tool: a JSON object, alone, fenced or last in it.

    Errors: NoAnswer.
    """
    for candidate in (*reversed(re.findall(r"```(?:json)?\s*\n(.*?)```", text, re.DOTALL)), text[text.find("{") :]):
        try:
            return Answer.model_validate(json.JSONDecoder(strict=False).raw_decode(candidate.strip())[0])
        except ValidationError as error:
            raise NoAnswer(told(error)) from error
        except (ValueError, RecursionError):
            continue
    raise NoAnswer("the answer is no JSON object; answer with the tool, or with the JSON object alone")


def told(error: ValidationError) -> str:
    """What is wrong with an answer, a line for each place, without quoting it."""
    places = [f"{'.'.join(map(str, one['loc'])) or 'the answer'}: {one['msg']}" for one in error.errors()[:10]]
    return "the answer does not have the right form:\n" + "\n".join(places)

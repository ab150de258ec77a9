"""Makes a recording of numeric answers from one of lettered options, on standard output.

It takes the prompts all of whose options are numbers, leaves the options out, and writes the number in place of each
letter that a text gives as its answer. A text then scores 1 if the number that it gives is the right one.

    python examples/recordings/numeric.py RECORDING.jsonl.gz | gzip > numeric.jsonl.gz
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import extract
from lightrouter.answers.numbers import number_of
from lightrouter.v1.policy_pb2 import AnswerPattern

_OPTION = re.compile(r"^([A-J])\. (.*)$", re.MULTILINE)
_INSTRUCTION = re.compile(r"The following is a multiple choice question about (.*?)\. .*?\n\nQuestion: ", re.DOTALL)
_ASKED = 'Think step by step and then finish your answer with "the answer is (X)" where X is a number.'
_GIVEN = re.compile(r"(?P<before>answer is:?\s*[*$]*|boxed\{)(?P<open>\(?)(?P<letter>[A-J])(?![A-Za-z])")


def _numeric(prompt: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns a prompt without its options; None if they are no numbers."""
    question, _, listed = prompt["prompt"].rpartition("\nOptions:\n")
    options = dict(_OPTION.findall(listed))
    subject = _INSTRUCTION.match(question)
    if subject is None or prompt["answer"] not in options or None in map(number_of, options.values()):
        return None
    right = options[prompt["answer"]]
    return {
        **prompt,
        "prompt": f"The following is a question about {subject[1]}. {_ASKED}\n\n{question[subject.end() :]}",
        "answer": right,
        "responses": {
            model: _response(response["text"], options, right) for model, response in prompt["responses"].items()
        },
    }


def _response(lettered: str, options: Mapping[str, str], right: str) -> dict[str, Any]:
    def number(found: re.Match[str]) -> str:
        return found["before"] + found["open"] + options.get(found["letter"], found["letter"])

    text = _GIVEN.sub(number, lettered)
    given = extract(text, AnswerPattern(number=True))
    return {"text": text, "quality": float(given is not None and canonical(given) == canonical(right))}


def _prompts(path: str) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if prompt := _numeric(json.loads(line)):
                yield prompt


if __name__ == "__main__":
    for made in _prompts(sys.argv[1]):
        print(json.dumps(made))

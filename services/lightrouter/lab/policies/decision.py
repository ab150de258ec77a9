"""What a policy does with a prompt: the calls that it makes, and whose answer it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from lightrouter.lab.dataset.questions import LabelledData, Questions


class Call(NamedTuple):
    """One model call.

    Attributes:
        model: Index of the model in the pool, or the name of one that is not in the pool, for its price.
        input_tokens: Tokens that it reads, cached ones included.
        output_tokens: Tokens that it writes.
        cached_tokens: Tokens that it reads from its provider's cache.
    """

    model: int | str
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy did with one prompt.

    Attributes:
        stages: Its model calls; those of one stage run side by side, the stages one after the other.
        answer: Index of the model whose whole text is the answer; None where a model writes a text that no recording
            has, so that its quality is not measured.
        k: Drafts that were finished, or the answers that were bought where there is no boot stage.
        boot_output_tokens: Tokens that the boot stage wrote.
        chosen: Indices of the models that went on after a ranking; empty where there is none.
    """

    stages: Sequence[Sequence[Call]]
    answer: int | None
    k: int
    boot_output_tokens: int = 0
    chosen: Sequence[int] = ()


class Policy(Protocol):
    """One way to answer prompts with the models of a pool.

    Attributes:
        name: Its name in the report.
        about: What it does, in one sentence.
        boot_tokens: Tokens that each candidate writes before a ranking; 0 where there is no boot stage.
    """

    name: str
    about: str
    boot_tokens: int

    def fit(self, train: LabelledData) -> None:
        """Learns from training prompts, their labels included."""

    def decide(self, questions: Questions) -> list[Decision]:
        """Returns what it does with each prompt. Labels are not among what it sees."""

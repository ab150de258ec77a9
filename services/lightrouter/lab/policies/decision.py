"""The decision of a policy on a prompt: its model calls, and whose answer it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from lightrouter.lab.dataset.questions import LabelledData, Questions


class Call(NamedTuple):
    """One model call.

    Attributes:
        model: Index of the model in the pool, or the name of a model outside of the pool, for its price.
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
    """The decision of a policy on one prompt.

    Attributes:
        stages: The model calls of each stage. Calls of one stage run in parallel, stages one after the other. After a
            boot stage come the selection, the first completions, which go on from their boots, and all later calls.
        answer: Index of the model whose whole text is the answer; None if the answer is a text that is not recorded,
            so that its quality is not measured.
        k: Drafts that were finished; without a boot stage, answers that were bought.
        boot_output_tokens: Tokens that the boot stage wrote.
        planned_usd: US dollars that the calls were expected to cost, each before it was made; 0 if nobody planned.
        chosen: Indices of the models that went on after a ranking; empty if there is none.
        held: Whether the boot calls were held; their stages are those of cut calls all the same.
    """

    stages: Sequence[Sequence[Call]]
    answer: int | None
    k: int
    boot_output_tokens: int = 0
    planned_usd: float = 0.0
    chosen: Sequence[int] = ()
    held: bool = False


class Policy(Protocol):
    """One way to answer prompts with the models of a pool.

    Attributes:
        name: Its name in the report.
        about: What it does, in one sentence.
        boot_tokens: Tokens that each candidate writes before a ranking; 0 without a boot stage.
    """

    name: str
    about: str
    boot_tokens: int

    def fit(self, train: LabelledData) -> None:
        """Learns from the training prompts and their labels."""

    def decide(self, questions: Questions) -> list[Decision]:
        """Returns the decision on each prompt, without access to labels."""

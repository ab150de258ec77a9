"""The upper bound: a policy that knows the labels and asks only the best model."""

from __future__ import annotations

import numpy as np

from lightrouter.lab.dataset.questions import Floats, Questions
from lightrouter.lab.policies.baselines.single import alone
from lightrouter.lab.policies.decision import Decision

NAME = "oracle"
ABOUT = "Each prompt goes to the best model by its labels; of equal models, to the one with the fewest tokens. A bound."


def decide(questions: Questions, quality: Floats) -> list[Decision]:
    """Returns the decisions of a policy that knows the qualities; real policies never see them."""
    order = np.lexsort((questions.output_tokens, -quality), axis=1)
    return [alone(questions, index, int(model)) for index, model in enumerate(order[:, 0])]

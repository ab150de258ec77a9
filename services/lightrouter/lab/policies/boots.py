"""The number of boot tokens for prompts like the training prompts."""

from __future__ import annotations

from typing import Final

import numpy as np

from lightrouter.lab.dataset.questions import LabelledData

# Share of the median answer. Found by cross-validation on the shared recordings: a quarter suffices with comparable
# answers, a fifth for free text. Longer boots cost more and rank no better.
_SHARE: Final = {True: 0.25, False: 0.2}
_ROUND: Final = (5, 10, 15, 20, 30, 40, 60, 80, 100, 150, 200, 300)


def boot_tokens(train: LabelledData, *, drafts_in_turn: bool = False) -> int:
    """Returns B for prompts like these: a share of the median answer, rounded to the nearest usual length, in tokens.

    `drafts_in_turn`: drafts are finished one by one and ranked again after each; half the boot suffices then.
    """
    comparable = train.questions.pattern is not None
    share = _SHARE[comparable] / 2 if drafts_in_turn else _SHARE[comparable]
    wanted = share * float(np.median(train.questions.output_tokens))
    return min(_ROUND, key=lambda tokens: abs(np.log(tokens / max(wanted, 1.0))))

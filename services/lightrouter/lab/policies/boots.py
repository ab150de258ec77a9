"""How many boot tokens prompts like some others are given."""

from __future__ import annotations

from typing import Final

import numpy as np

from lightrouter.lab.dataset.questions import LabelledData

# The shorter the boot, the cheaper. By cross-validation on the shared recordings a quarter of what is usually written
# suffices where answers can be compared, a fifth of free text; longer boots cost more and rank no better.
_SHARE: Final = {True: 0.25, False: 0.2}
_ROUND: Final = (5, 10, 15, 20, 30, 40, 60, 80, 100, 150, 200, 300)


def boot_tokens(train: LabelledData, *, drafts_in_turn: bool = False) -> int:
    """Returns B for prompts like these: the round number next to a share of the median length of an answer.

    Args:
        train: The prompts.
        drafts_in_turn: Whether each draft is ranked anew before another is asked for, so that less hangs on the boot.
    """
    comparable = train.questions.pattern is not None
    share = _SHARE[comparable] / 2 if drafts_in_turn else _SHARE[comparable]
    wanted = share * float(np.median(train.questions.output_tokens))
    return min(_ROUND, key=lambda tokens: abs(np.log(tokens / max(wanted, 1.0))))

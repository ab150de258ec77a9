"""How many boot tokens prompts like some others are given."""

from __future__ import annotations

from typing import Final

import numpy as np

from lightrouter.lab.questions import Judged

# The shorter the boot, the cheaper. Of answers that can be compared a fifth shows most of what the whole shows, as
# far as it shows who is right; how good a free text is shows later.
_SHARE: Final = {True: 0.2, False: 0.6}
_ROUND: Final = (5, 10, 15, 20, 30, 40, 60, 80, 100, 150, 200, 300)


def boot_tokens(train: Judged) -> int:
    """Returns B for prompts like these: the round number next to a share of the median length of an answer."""
    comparable = train.questions.pattern is not None
    wanted = _SHARE[comparable] * float(np.median(train.questions.output_tokens))
    return min(_ROUND, key=lambda tokens: abs(np.log(tokens / max(wanted, 1.0))))

"""What misleads a selector: an instruction in a candidate's answer, and scores that are shuffled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies.decision import Policy
from lightrouter.lab.policies.injected import INJECTION, Injected
from lightrouter.lab.policies.rankers import STRATEGIES
from lightrouter.lab.policies.selectors import Degraded, with_strategy
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import INTERVALS, Figure, Findings
from lightrouter.lab.report.table import tabulate
from lightrouter.lab.results.figures import BEST_SINGLE, Results
from lightrouter.lab.study import Study
from lightrouter.runtime.tokens import count

_BASE: Final = "learned"
# Choices: from the ranking itself to one that is chance alone.
_DEGRADED: Final = {share: f"{_BASE}, {share:.0%} by chance" for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)}


def policies(study: Study, number: int, train: LabelledData, kinds: Sequence[str]) -> list[Policy]:
    """Returns the rankings of these kinds with an injection, and the learned one made worse step by step."""
    boot = study.boot(train)
    longer = boot + count(INJECTION)
    injected = [Injected(study.ranker(kind, longer, number, train)) for kind in kinds]
    return [*injected, *(_degraded(study, number, train, boot, share) for share in _DEGRADED)]


def findings(study: Study, results: Results, kinds: Sequence[str]) -> Findings:
    """Returns what these policies came to."""
    return _on_injections(study, results, kinds) + _on_degrading(results)


def _degraded(study: Study, number: int, train: LabelledData, boot: int, share: float) -> Policy:
    kind = STRATEGIES[_BASE]
    route = study.ranker(_BASE, boot, number, train, _DEGRADED[share].removeprefix(_BASE))
    model = study.trained.on(str(number), train)
    route.selector = with_strategy(kind, lambda built: Degraded(built[kind], share), model)
    return route


def _on_injections(study: Study, results: Results, kinds: Sequence[str]) -> Findings:
    """Returns how often the weakest candidate is chosen, with and without its instruction."""
    weakest = study.priors.argmin()
    names = [name for kind in kinds for name in (kind, f"{kind}, injected")]
    chosen = results.bootstrap.means({name: (results.outcomes[name].answer == weakest) * 1.0 for name in names})
    return Findings(
        sentences=[
            f"With an instruction to choose it, the weakest candidate is chosen in "
            f"{chosen[f'{kind}, injected'].mean:.1%} of the prompts by {kind}, in {chosen[kind].mean:.1%} without."
            for kind in kinds
        ],
        figures=[Figure("injection", plots.intervals(chosen, "share", "The weakest candidate is chosen"), INTERVALS)],
        report={"weakest_chosen": chosen},
    )


def _on_degrading(results: Results) -> Findings:
    """Returns the quality as the selector is made worse."""
    single, title = results.figures[BEST_SINGLE].quality.mean, "A selector made worse"
    rows = [{"share": share, **results.figures[name].row()} for share, name in _DEGRADED.items()]
    steps = {f"{row['share']:.0%}": row["quality"] for row in rows}
    below = next((share for share, quality in steps.items() if quality.mean < single), None)
    text = ", ".join(f"{quality.mean:.4f} at {share}" for share, quality in steps.items())
    line = {_BASE: [(row["share"], row["quality"]) for row in rows]}
    columns = {"share by chance": "share", "quality": "quality", "output tokens": "output_tokens", "mean k": "mean_k"}
    return Findings(
        sentences=[
            (
                f"As {_BASE} is degraded step by step: {text}; "
                f"{f'from {below} on it is' if below else 'it is never'} below {BEST_SINGLE} ({single:.4f})."
            )
        ],
        figures=[Figure("degraded", plots.lines(line, "share dealt by chance", "quality", title), INTERVALS)],
        tables=[tabulate(title, columns, rows)],
        report={"degraded": [{**row, **row["quality"]._asdict()} for row in rows]},
    )

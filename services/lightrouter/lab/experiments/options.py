"""The contribution of cues: how a lettered option looks among the others, whichever candidate chose it."""

from __future__ import annotations

from typing import Final

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies import lightrouter
from lightrouter.lab.policies.baselines.ensemble import prior_top
from lightrouter.lab.policies.baselines.single import BestSingle
from lightrouter.lab.policies.decision import Policy
from lightrouter.lab.policies.engine import selector_with
from lightrouter.lab.policies.routed import Routed
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import INTERVALS, Figure, Findings
from lightrouter.lab.report.table import COST, tabulate
from lightrouter.lab.results.figures import BEST_SINGLE
from lightrouter.lab.study import Study
from lightrouter.lab.training.quality import TrainingOptions
from lightrouter.lab.training.trained import Trained
from lightrouter.learned.offered import offered
from lightrouter.selector.learned import CurrentModel

WITH: Final = "lightrouter"
WITHOUT: Final = "lightrouter without cues"
# The same vote as in `compare`.
_TOP: Final = 3
_NOTES: Final = (
    "Cues are what an option looks like among the others: its length, its numbers, its words and its form.",
    "The model without them learns from the same prompts, and still sees which option each candidate chose.",
)


def run(study: Study) -> Findings:
    """Routes every prompt with a model trained with the cues and with one trained without, on the same folds."""
    blind = Trained(study.parts, study.seed, options=TrainingOptions(cues=False, gains=False))
    vote = f"prior-top-{min(_TOP, len(study.models))}"

    def policies(number: int, train: LabelledData) -> list[Policy]:
        return [
            BestSingle(),
            prior_top(min(_TOP, len(study.models))),
            _default(study, WITHOUT, train, blind.on(f"without-cues-{number}", train)),
            _default(study, WITH, train, study.trained.on(str(number), train)),
        ]

    results = study.results(policies)
    pairs = ((WITH, WITHOUT), (WITH, vote), (WITHOUT, vote))
    differences = {pair: results.gain(*pair) for pair in pairs}
    quality = {name: results.figures[name].quality for name in (BEST_SINGLE, vote, WITHOUT, WITH)}
    prompts = study.data.test.questions.prompts
    share = sum(bool(offered(prompt).texts) for prompt in prompts) / len(prompts)
    title, columns = "With and without cues", {"policy": "name", "quality": "quality", **COST, "mean k": "mean_k"}
    return Findings(
        title="What the cues of lettered options contribute",
        sentences=[
            (
                f"The cues of lettered options, which {share:.0%} of the prompts have, contribute "
                f"{differences[WITH, WITHOUT].difference} to the default setting's {quality[WITH].mean:.4f}, paired by "
                "prompt."
            ),
            (
                f"To {vote}, which gives {quality[vote].mean:.4f}, the default setting differs by "
                f"{differences[WITH, vote].difference} with the cues and by {differences[WITHOUT, vote].difference} "
                "without them."
            ),
        ],
        figures=[Figure("quality", plots.intervals(quality, "quality", title), INTERVALS)],
        tables=[tabulate(title, columns, [row for row in results.rows() if row["name"] in quality])],
        report={
            "share_with_options": share,
            "quality": quality,
            "differences": [{"of": one, "to": other, **each._asdict()} for (one, other), each in differences.items()],
        },
        notes=_NOTES,
    )


def _default(study: Study, name: str, train: LabelledData, model: CurrentModel) -> Routed:
    policy = lightrouter.routing(lightrouter.DEFAULT, train, study.boot_tokens, None)
    return Routed(name, f"The default setting, {name}.", policy, study.prices, selector_with(model), prepare=model)

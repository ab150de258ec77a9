"""The contribution of cues: how a lettered option looks among the others, whichever candidate chose it."""

from __future__ import annotations

from typing import Final

from lightrouter.lab.dataset.questions import Floats, LabelledData
from lightrouter.lab.experiments.study import Findings, Study
from lightrouter.lab.policies import lightrouter
from lightrouter.lab.policies.baselines.ensemble import prior_top
from lightrouter.lab.policies.baselines.single import BestSingle
from lightrouter.lab.policies.decision import Policy
from lightrouter.lab.policies.engine import selector_with
from lightrouter.lab.policies.routed import Routed
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import Figure, Table
from lightrouter.lab.results.summary import BEST_SINGLE
from lightrouter.lab.training.train import TrainingOptions
from lightrouter.lab.training.trained import Trained
from lightrouter.learned.offered import offered
from lightrouter.selector.learned import CurrentModel

ABOUT = "The default setting, trained with and without the cues of lettered options, beside a vote of the best models."

WITH: Final = "lightrouter"
WITHOUT: Final = "lightrouter without cues"
_TOP: Final = 3


def run(study: Study) -> Findings:
    """Routes every prompt with a model trained with the cues and with one trained without, on the same folds."""
    blind = Trained(study.parts, study.seed, options=TrainingOptions(cues=False))
    vote = prior_top(min(_TOP, len(study.models)))

    def policies(number: int, train: LabelledData) -> list[Policy]:
        return [
            BestSingle(),
            prior_top(min(_TOP, len(study.models))),
            _default(study, WITHOUT, train, blind.on(f"without-cues-{number}", train)),
            _default(study, WITH, train, study.trained.on(str(number), train)),
        ]

    outcomes = study.outcomes(policies)
    names = [BEST_SINGLE, vote.name, WITHOUT, WITH]
    pairs = [(WITH, WITHOUT), (WITH, vote.name), (WITHOUT, vote.name)]
    columns: dict[str | tuple[str, str], Floats] = {name: outcomes[name].quality for name in names}
    columns |= {(one, other): outcomes[one].quality - outcomes[other].quality for one, other in pairs}
    estimates = study.bootstrap.means(columns)
    quality = {name: estimates[name] for name in names}
    prompts = study.data.test.questions.prompts
    share = sum(bool(offered(prompt).texts) for prompt in prompts) / len(prompts)
    return Findings(
        title="What the cues of lettered options contribute",
        sentences=[
            (
                f"The cues of lettered options, which {share:.0%} of the prompts have, contribute "
                f"{estimates[WITH, WITHOUT].difference} to the default setting's {quality[WITH].mean:.4f}, "
                "paired by prompt."
            ),
            (
                f"To {vote.name}, which gives {quality[vote.name].mean:.4f}, the default setting differs by "
                f"{estimates[WITH, vote.name].difference} with the cues and by "
                f"{estimates[WITHOUT, vote.name].difference} without them."
            ),
        ],
        figures=[
            Figure("quality", plots.intervals(quality, "quality", "With and without cues"), "With 95 % intervals.")
        ],
        tables=[
            Table(
                "With and without cues",
                ("policy", "quality", "95 %", "output tokens", "$ / 1,000", "mean k"),
                [
                    (
                        name,
                        *quality[name].cells,
                        f"{outcomes[name].output_tokens.mean():,.0f}",
                        f"{1000 * outcomes[name].cost_usd.mean():.4f}",
                        f"{outcomes[name].k.mean():.2f}",
                    )
                    for name in names
                ],
            )
        ],
        report={
            "share_with_options": share,
            "quality": {name: each._asdict() for name, each in quality.items()},
            "differences": [{"of": one, "to": other, **estimates[one, other]._asdict()} for one, other in pairs],
        },
        notes=(
            "Cues are what an option looks like among the others: its length, its numbers, its words and its form.",
            "The model without them learns from the same prompts, and still sees which option each candidate is for.",
        ),
    )


def _default(study: Study, name: str, train: LabelledData, model: CurrentModel) -> Routed:
    policy = lightrouter.routing(lightrouter.DEFAULT, train, study.boot_tokens, None)
    return Routed(name, ABOUT, policy, study.prices, selector_with(model), prepare=model)

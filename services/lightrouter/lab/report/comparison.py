"""The report of a comparison: JSON for programs, a page for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lightrouter.lab.policies import oracle
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import Figure, Page, Table
from lightrouter.lab.results.bootstrap import Estimate
from lightrouter.lab.results.summary import BEST_SINGLE, FULL_ENSEMBLE, Figures
from lightrouter.recording.prices import PriceList

_CAPTION = (
    "Quality against money, with 95 % intervals; the dashed line joins the policies that none beats in both. Red is "
    "LightRouter, grey is a bound."
)
_BASELINES = {BEST_SINGLE: "best_single", FULL_ENSEMBLE: "full_ensemble_majority"}


@dataclass(frozen=True, slots=True)
class Compared:
    """The results of a comparison.

    Attributes:
        data: Name of the recording.
        prompts: Number of test prompts.
        models: The pool.
        figures: The figures of each policy.
        about: What each policy does, in one sentence.
        boot_tokens: Tokens that each candidate writes before the ranking, by policy; 0 without a boot stage.
        lightrouter: Names of LightRouter's policies.
        notes: What the figures are based on, one sentence each.
        settings: What is needed to repeat the run.
        command: The command of the run.
        warnings: The notes that the reader must not miss.
    """

    data: str
    prompts: int
    models: Sequence[str]
    figures: Mapping[str, Figures]
    about: Mapping[str, str]
    boot_tokens: Mapping[str, int]
    lightrouter: Sequence[str]
    notes: Sequence[str]
    settings: Mapping[str, object]
    command: str
    warnings: Sequence[str] = ()


def as_json(compared: Compared, prices: PriceList) -> dict[str, object]:
    """Returns the report for programs. A quality that is not measured is null."""
    return {
        "data": compared.data,
        "prompts": compared.prompts,
        "policies": [_policy(compared, name) for name in compared.figures],
        "models": list(compared.models),
        "prices": {model: prices.of(model).model_dump(exclude_none=True) for model in compared.models},
        "notes": list(compared.notes),
        "settings": dict(compared.settings),
        "command": compared.command,
    }


def as_page(compared: Compared, prices: PriceList) -> Page:
    """Returns the report for people."""
    figures = compared.figures
    return Page(
        title=f"{compared.data}: quality against cost on {compared.prompts:,} prompts, {len(compared.models)} models",
        findings=list(_findings(compared)),
        figures=[
            Figure("pareto", _pareto(compared, money=True), _CAPTION),
            Figure("pareto-tokens", _pareto(compared, money=False), "Quality against output tokens, likewise."),
        ],
        tables=[
            Table(
                "All policies",
                ("policy", "quality", "95 %", "output tokens", "of full", "$ / 1,000", "B", "mean k", "seconds"),
                [_row(name, each, compared.boot_tokens[name]) for name, each in figures.items()],
                "Means a prompt. quality: of the answer that is given, 0 to 1, by the recording's labels, with its "
                "95 % bootstrap interval over prompts. output tokens: what all calls wrote, boots, judges and "
                f"synthesizers included; of full: as a share of those of {FULL_ENSEMBLE}. $ / 1,000: US dollars for "
                "1,000 prompts, what all calls read included. B: tokens that a candidate writes before the ranking; 0 "
                "where there is none. mean k: answers that were finished. seconds: simulated.",
                frozenset(index for index, name in enumerate(figures) if name in compared.lightrouter),
            ),
            Table(
                "Differences in quality, paired by prompt",
                ("policy", f"to {BEST_SINGLE}", "95 %", f"to {FULL_ENSEMBLE}", "95 %"),
                [_difference(name, each) for name, each in figures.items() if each.gain],
                "An interval on one side of zero says that the difference is established at 95 %.",
                frozenset(
                    index
                    for index, name in enumerate(name for name, each in figures.items() if each.gain)
                    if name in compared.lightrouter
                ),
            ),
            Table(
                "What each policy does", ("policy", "what it does"), [(name, compared.about[name]) for name in figures]
            ),
            Table(
                "Prices, US dollars per million tokens",
                ("model", "input", "cached", "output", "source"),
                [_price(model, prices) for model in compared.models],
            ),
        ],
        notes=compared.notes,
        settings=compared.settings,
        command=compared.command,
    )


def _policy(compared: Compared, name: str) -> dict[str, object]:
    figures = compared.figures[name]
    quality = figures.quality
    return {
        "name": name,
        "quality": None if quality is None else quality.mean,
        "quality_low": None if quality is None else quality.low,
        "quality_high": None if quality is None else quality.high,
        "output_tokens": figures.output_tokens.mean,
        "cost_usd": figures.cost_usd.mean,
        "boot_tokens": compared.boot_tokens[name],
        "mean_k": figures.mean_k,
        "seconds": figures.seconds,
        "about": compared.about[name],
        "output_share": figures.output_share,
        "output_tokens_low": figures.output_tokens.low,
        "output_tokens_high": figures.output_tokens.high,
        "boot_output_tokens": figures.boot_output_tokens,
        "input_tokens": figures.input_tokens,
        "cost_usd_low": figures.cost_usd.low,
        "cost_usd_high": figures.cost_usd.high,
        "gain": {_BASELINES[baseline]: gain._asdict() for baseline, gain in figures.gain.items()},
    }


def _findings(compared: Compared) -> Iterator[str]:
    figures = compared.figures
    for name in compared.lightrouter:
        each = figures[name]
        if each.quality is None:
            continue
        parts = [f"{name}: {each.quality} at {each.output_share:.0%} of the full ensemble's output tokens"]
        for baseline, gain in each.gain.items():
            verdict = "above" if gain.low > 0 else "below" if gain.high < 0 else "not established to differ from"
            parts.append(f"{verdict} {baseline} ({gain.mean:+.4f}, {gain.low:+.4f} to {gain.high:+.4f})")
        yield "; ".join(parts) + "."
    baselines = [
        (each.quality.mean, name)
        for name, each in figures.items()
        if each.quality is not None and name not in compared.lightrouter and name != oracle.NAME
    ]
    mean, name = max(baselines)
    yield (
        f"The best of the others is {name}: {mean:.4f} at {figures[name].output_share:.0%} of the full ensemble's "
        f"output tokens. Whoever knew the labels would reach {figures[oracle.NAME].quality}."
    )


def _pareto(compared: Compared, *, money: bool) -> bytes:
    points = []
    for name, each in compared.figures.items():
        if each.quality is None:
            continue
        kind = "lightrouter" if name in compared.lightrouter else "bound" if name == oracle.NAME else "baseline"
        cost = Estimate(*(1000 * value for value in each.cost_usd)) if money else each.output_tokens
        points.append(plots.Point(name, cost, each.quality, kind))
    label = "US dollars for 1,000 prompts" if money else "output tokens a prompt"
    return plots.pareto(points, label, f"{compared.data}, {compared.prompts:,} prompts")


def _row(name: str, figures: Figures, boot_tokens: int) -> tuple[str, ...]:
    quality = figures.quality
    return (
        name,
        *(("not measured", "") if quality is None else quality.cells),
        f"{figures.output_tokens.mean:,.0f}",
        f"{figures.output_share:.1%}",
        f"{1000 * figures.cost_usd.mean:.4f}",
        f"{boot_tokens}",
        f"{figures.mean_k:.2f}",
        f"{figures.seconds:.1f}",
    )


def _difference(name: str, figures: Figures) -> tuple[str, ...]:
    cells = [name]
    for baseline in (BEST_SINGLE, FULL_ENSEMBLE):
        gain = figures.gain.get(baseline)
        cells += ("", "") if gain is None else gain.difference_cells
    return tuple(cells)


def _price(model: str, prices: PriceList) -> tuple[str, ...]:
    price = prices.of(model)
    cached = price.input if price.cached_input is None else price.cached_input
    source = f"{price.source}: {price.note}" if price.note else price.source
    return (model, f"{price.input:g}", f"{cached:g}", f"{price.output:g}", source)

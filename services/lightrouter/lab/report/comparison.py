"""The findings of a comparison: quality and cost of all policies side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lightrouter.lab.policies import oracle
from lightrouter.lab.policies.decision import Policy
from lightrouter.lab.report import frontier, plots
from lightrouter.lab.report.frontier import Duel, kind
from lightrouter.lab.report.page import Figure, Findings, Table
from lightrouter.lab.report.table import TOKENS, tabulate
from lightrouter.lab.results.bootstrap import Estimate
from lightrouter.lab.results.figures import BEST_SINGLE, FULL_ENSEMBLE, Figures, Results, flat
from lightrouter.recording.prices import Price, PriceList

_CAPTION: Final = (
    "Quality against money, with 95 % intervals; the dashed line joins the policies that none beats in both. Red is "
    "LightRouter, its line the curve over the worth of a right answer (@ US dollars); grey is a bound."
)
_BASELINES: Final = {BEST_SINGLE: "best_single", FULL_ENSEMBLE: "full_ensemble_majority"}
_COLUMNS: Final = {
    "policy": "name",
    "quality": "quality",
    "output tokens": "output_tokens",
    "of full": "output_share",
    "$ / 1,000": "cost_usd",
    "cached": "cached_usd",
    "planned": "planned_usd",
    "B": "boot_tokens",
    "mean k": "mean_k",
    "seconds": "seconds",
}
_WAYS: Final = {
    "policy": "name",
    "boots": "way",
    **TOKENS,
    "$ / 1,000": "cost_usd",
    "cached": "cached_usd",
    "seconds": "seconds",
}
_WAYS_NOTE: Final = (
    "The same routes, booked in two ways. Cut: a boot call ends at B tokens, and a second call reads the prompt and "
    "the boot text again and continues it. Held: boot calls stay open until the ranking. The chosen ones continue; the "
    "others have written some more tokens by then, at their recorded or assumed pace. Drafts that are requested later "
    "are second calls in both ways."
)
_TERMS: Final = (
    "Means per prompt. quality: of the answer, 0 to 1, by the recording's labels, with the 95 % bootstrap interval "
    "over prompts. output tokens: of all calls, including boots, judges and synthesizers. of full: output tokens as a "
    f"share of those of {FULL_ENSEMBLE}. $ / 1,000: US dollars for 1,000 prompts, for input and output. cached: the "
    "same calls if each provider found in its cache the start of a prompt, however short, that it has read for another "
    "prompt or in the same route; for judges and mergers, which read it behind their instructions, that is too little. "
    "planned: the cost that was expected of the calls, each before it was made. B: tokens that a candidate writes "
    "before the ranking; 0: no boot, or as the plan says. mean k: finished answers. seconds: simulated."
)


def findings(
    data: str, models: Sequence[str], policies: Mapping[str, Policy], results: Results, prices: PriceList
) -> Findings:
    """Returns the findings of a comparison.

    `data` is the title of the plots; `policies` are without the oracle, which is among the results.
    """
    figures, duels = results.figures, frontier.duels(results)
    about = {
        oracle.NAME: (oracle.ABOUT, 0),
        **{name: (each.about, each.boot_tokens) for name, each in policies.items()},
    }
    rows = [_row(name, each, *about[name]) for name, each in figures.items()]
    listed = {model: prices.of(model) for model in models}
    return Findings(
        sentences=[*_own(figures), _best_baseline(figures), *frontier.notes(duels, figures)],
        figures=[
            Figure("pareto", _pareto(data, figures, money=True), _CAPTION),
            Figure("pareto-tokens", _pareto(data, figures, money=False), "The same, against output tokens."),
        ],
        tables=_tables(rows, figures, duels, listed),
        report={
            "policies": rows,
            "models": models,
            "prices": {model: price.model_dump(exclude_none=True) for model, price in listed.items()},
        },
    )


def _tables(
    rows: Sequence[Mapping[str, Any]],
    figures: Mapping[str, Figures],
    duels: Sequence[Duel],
    listed: Mapping[str, Price],
) -> list[Table]:
    shown = [{**row, "quality": figures[row["name"]].quality} for row in rows]
    booked = [{"name": row["name"], "way": way, **each} for row in rows for way, each in ways(row)]
    gains = [
        {"name": name, **{f"gain {baseline}": gain for baseline, gain in each.gain.items()}}
        for name, each in figures.items()
        if each.gain
    ]
    prices = [
        (
            model,
            *(f"{usd:g}" for usd in (price.input, price.cached, price.output)),
            ": ".join(filter(None, (price.source, price.note))),
        )
        for model, price in listed.items()
    ]
    return [
        _marked("All policies", _COLUMNS, shown, _TERMS),
        frontier.table(duels, figures),
        tabulate("Boot calls cut and held", _WAYS, booked, _WAYS_NOTE),
        _marked(
            "Differences in quality, paired by prompt",
            {"policy": "name", **{f"to {name}": f"gain {name}" for name in _BASELINES}},
            gains,
            "A difference is established at 95 % if its interval does not contain zero.",
        ),
        tabulate("What each policy does", {"policy": "name", "what it does": "about"}, rows),
        Table("Prices, US dollars per million tokens", ("model", "input", "cached", "output", "source"), prices),
    ]


def ways(row: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yields how the boot calls of a policy are booked, with the figures; nothing if it does not boot."""
    held = row.get("held", {})
    # A policy that holds its calls itself has no other figures.
    if any(row[name] != figure for name, figure in held.items()):
        yield "cut", row
    if held:
        yield "held", held


def _row(name: str, figures: Figures, about: str, boot_tokens: int) -> dict[str, Any]:
    """Returns all figures of a policy, in the order of the report."""
    return {
        "name": name,
        **flat("quality", figures.quality),
        "output_tokens": figures.output_tokens.mean,
        "cost_usd": figures.cost_usd.mean,
        "cached_usd": figures.cached_usd,
        **({"planned_usd": figures.planned_usd} if figures.planned_usd else {}),
        "boot_tokens": boot_tokens,
        "mean_k": figures.mean_k,
        "seconds": figures.seconds,
        "about": about,
        "output_share": figures.output_share,
        **flat("output_tokens", figures.output_tokens),
        "boot_output_tokens": figures.boot_output_tokens,
        "input_tokens": figures.input_tokens,
        **flat("cost_usd", figures.cost_usd),
        "gain": {_BASELINES[baseline]: gain for baseline, gain in figures.gain.items()},
        **({"held": figures.held} if figures.held else {}),
    }


def _marked(title: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]], note: str) -> Table:
    """Returns a table of policies with LightRouter's highlighted."""
    own = [index for index, row in enumerate(rows) if kind(row["name"]) in {"curve", "lightrouter"}]
    return tabulate(title, columns, rows, note, own)


def _own(figures: Mapping[str, Figures]) -> Iterator[str]:
    """Yields the finding on each of LightRouter's policies but those of the curve."""
    for name, each in figures.items():
        if each.measured and kind(name) == "lightrouter":
            parts = [f"{name}: {each.quality} at {each.output_share:.0%} of the full ensemble's output tokens"]
            for baseline, gain in each.gain.items():
                parts.append(f"{gain.verdict} {baseline} ({', '.join(gain.difference_cells)})")
            yield "; ".join(parts) + "."


def _best_baseline(figures: Mapping[str, Figures]) -> str:
    """Returns the finding on the best of the baselines and on the bound."""
    mean, name = max(
        (each.quality.mean, name) for name, each in figures.items() if each.measured and kind(name) == "baseline"
    )
    return (
        f"The best baseline is {name}: {mean:.4f} at {figures[name].output_share:.0%} of the full ensemble's output "
        f"tokens. A policy that knows the labels would reach {figures[oracle.NAME].quality}."
    )


def _pareto(data: str, figures: Mapping[str, Figures], *, money: bool) -> bytes:
    points = [
        plots.Point(
            name,
            Estimate(*(1000 * value for value in each.cost_usd)) if money else each.output_tokens,
            each.quality,
            kind(name),
        )
        for name, each in figures.items()
        if each.measured
    ]
    return plots.pareto(points, "US dollars for 1,000 prompts" if money else "output tokens a prompt", data)

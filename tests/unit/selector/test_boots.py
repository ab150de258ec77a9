"""When candidates boot under worth, and when one is asked outright: by sums of quality and money alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from lightrouter.learned.boots import BootShare, room
from lightrouter.learned.features import Candidate, PartialAnswer
from lightrouter.learned.gain import Gains
from lightrouter.learned.model import Model
from lightrouter.learned.priors import Example, Priors
from lightrouter.learned.trees import Tree
from lightrouter.learned.words import hashed_words
from lightrouter.selector.outright import asked_outright, first_steps
from lightrouter.v1.candidate_pb2 import ACTION_ASK, ACTION_BOOT, ActionValue, CallTerms, Prices, RankedCandidate
from lightrouter.v1.selector_pb2 import ShortlistCandidate

PRICES = Prices(
    input_nanousd_per_million=1_000_000_000,
    cached_input_nanousd_per_million=50_000_000,
    output_nanousd_per_million=4_000_000_000,
)
LETTERED = "Which one is it?\nA. one\nB. two\nC. six\nD. ten\n"
LONG, SHORT = 1000, 40
SHARES = [BootShare(options=True, candidates=2, tokens=20, share=0.3)]
AFTER = [SHARES[0]._replace(further_gain=0.5, further_cost=0.25)]


def model(
    tokens: int,
    shares: Sequence[BootShare] = SHARES,
    second: float = 0.6,
    further: float | None = 0.0,
    further_cost: float = 0.0,
) -> Model:
    """`good` is right on 60 prompts of 100, `other` on `second` of them; their answers have this many tokens.

    The answers after the first one add `further`, None if that was not learned, at this share of an answer's cost.
    """
    length = 4 * tokens
    examples = [
        Example(hashed_words(f"prompt w{number}"), [float(number < 60), float(number < 100 * second)], [length] * 2)
        for number in range(100)
    ]
    first = Tree([-1], [0.0], [0], [0])
    gains = Gains(first=[first], later=[first], first_share=0.0)
    if further is not None:
        cost, gain = ([Tree([-1], [value], [0], [0])] for value in (further_cost, further))
        gains = gains._replace(further_cost=cost, further_gain=gain)
    quality = [Tree([-1], [0.0], [0], [0])]
    return Model(Priors(("good", "other"), examples), quality, 0.5, gains=gains, boots=shares)


def planned(
    known: Model,
    prompt: str = LETTERED,
    worth: int = 10**7,
    names: Sequence[str] = ("good", "other"),
    most_answers: int = 0,
    first_step_only: bool = True,
    **terms: object,
) -> list[RankedCandidate]:
    base: dict[str, object] = {
        "prices": PRICES,
        "input_tokens": 50,
        "max_output_tokens": 2000,
        "boot_tokens": 230,
        "overshoot_tokens": 30,
    }
    made = CallTerms(**(base | terms))  # type: ignore[arg-type]  # passed on as they are
    unasked = [ShortlistCandidate(candidate=name, prior=0.5, terms=made) for name in names]
    return first_steps(known, prompt, unasked, worth, most_answers, first_step_only=first_step_only)


def booting(found: Sequence[RankedCandidate]) -> list[str]:
    return [each.candidate for each in found for action in each.actions if action.action == ACTION_BOOT]


BOTH = ["good", "other"]
# Here, a boot is expected to add .3 x .24 = .072 to .6, and at this worth that is 720,000 nano-dollars.
CASES: dict[str, tuple[Model, dict[str, object], list[str]]] = {
    "long answers to a short prompt": (model(LONG), {}, BOTH),
    "a long prompt, uncached": (model(SHORT), {"input_tokens": 1000}, []),
    "the same prompt, cached": (model(SHORT), {"input_tokens": 1000, "cached_input_tokens": 1000}, BOTH),
    "a long overshoot": (model(LONG), {"boot_tokens": 400, "overshoot_tokens": 380, "input_tokens": 1}, []),
    "a boot that is cut and cheap to read again": (model(LONG), {"boot_is_cut": True}, BOTH),
    "a boot that is cut and dear to read again": (model(LONG), {"boot_is_cut": True, "input_tokens": 300}, []),
    "held, the same prompt is read once less": (model(LONG), {"input_tokens": 300}, BOTH),
    "further answers add less": (model(LONG, further=0.04), {}, BOTH),
    "further answers add as much": (model(LONG, further=0.08), {}, []),
    "further answers add as much, after the boots too": (model(LONG, AFTER, further=0.08), {}, BOTH),
    "further answers add as much, and none may follow": (model(LONG, further=0.08), {"most_answers": 1}, BOTH),
    "further answers add as much, and one may follow": (model(LONG, further=0.08), {"most_answers": 2}, []),
    "what further answers add was not learned": (model(LONG, further=None), {}, []),
    "a small worth": (model(LONG), {"worth": 1_000_000}, []),
    "no worth": (model(LONG), {"worth": 0}, []),
    "no prices, where tokens stand in": (model(LONG), {"prices": None, "worth": 10**9}, BOTH),
    "no rise was learned": (model(LONG, ()), {}, []),
    "no rise is established": (model(LONG, [SHARES[0]._replace(share=0.0)]), {}, []),
    "free text, of which nothing was learned": (model(LONG), {"prompt": "Write a poem."}, []),
    "one candidate": (model(LONG), {"names": ["good"]}, []),
    "three boot, and two are there": (model(LONG, [SHARES[0]._replace(candidates=3)]), {}, []),
    "candidates that leave no room": (model(LONG, second=0.0), {}, []),
    "a limit of boot tokens below what was learned": (model(LONG), {"boot_tokens": 45}, []),
    "a boot that is half of the longest answer": (model(LONG), {"max_output_tokens": 40}, []),
    "hidden reasoning that is longer than the boot": (model(LONG), {"reasoning_tokens": 20.0}, []),
    "a candidate that cannot boot": (model(LONG), {"boot_tokens": 0, "overshoot_tokens": 0}, []),
}


@pytest.mark.parametrize(("known", "terms", "expected"), CASES.values(), ids=CASES)
def test_who_boots(known: Model, terms: dict[str, object], expected: list[str]) -> None:
    assert booting(planned(known, **terms)) == expected  # type: ignore[arg-type]  # passed on as they are


def test_the_value_is_that_of_the_plan_and_asking_outright_stays_in_the_list() -> None:
    found = planned(model(LONG))
    boots, ask = found[0].actions
    assert (boots.action, ask.action) == (ACTION_BOOT, ACTION_ASK)
    assert [each.actions[0] for each in found] == [boots, boots]
    assert boots.gain == pytest.approx(0.6 + 0.3 * 0.24, abs=1e-3)
    # 50 tokens are read twice, and 20 + 30 written twice; one of both writes the other 950.
    assert boots.cost_nanousd == 2 * 50 * 1000 + (2 * 50 + 950) * 4000
    assert boots.output_tokens == 20
    assert boots.net_value == pytest.approx(boots.gain * 10**7 - boots.cost_nanousd)
    assert ask.cost_nanousd == 50 * 1000 + 1000 * 4000


@pytest.mark.parametrize(
    ("asked", "further"),
    [({"most_answers": 3}, True), ({"most_answers": 3, "first_step_only": True}, False), ({"most_answers": 0}, False)],
)
def test_the_answers_after_the_boots_are_a_share_of_those_after_one_asked_outright(
    asked: dict[str, Any], further: bool
) -> None:
    boots, ask = planned(model(LONG, AFTER, further=0.08, further_cost=0.1), **({"first_step_only": False} | asked))[
        0
    ].actions
    assert boots.HasField("further_gain") == ask.HasField("further_gain") == further
    if further:
        assert ask.further_gain == pytest.approx(0.08)
        assert ask.further_cost_nanousd == pytest.approx(0.1 * ask.cost_nanousd)
        assert boots.further_gain == pytest.approx(0.5 * 0.08)
        assert boots.further_cost_nanousd == pytest.approx(0.25 * ask.further_cost_nanousd, abs=1)


def test_a_cut_boot_reads_the_prompt_and_its_own_text_again() -> None:
    boots: ActionValue = planned(model(LONG), boot_is_cut=True, boot_tokens=200, overshoot_tokens=0)[0].actions[0]
    assert boots.cost_nanousd == 2 * (50 * 1000 + 20 * 4000) + 70 * 1000 + 980 * 4000


def test_the_best_length_and_number_are_taken() -> None:
    shares = [
        BootShare(options=True, candidates=2, tokens=20, share=0.3),
        BootShare(options=True, candidates=2, tokens=40, share=0.31),
        BootShare(options=True, candidates=2, tokens=100, share=0.9),
        BootShare(options=True, candidates=2, tokens=400, share=1.0),
        BootShare(options=False, candidates=2, tokens=5, share=1.0),
    ]
    assert planned(model(LONG, shares))[0].actions[0].output_tokens == 100
    assert planned(model(LONG, shares[:2]))[0].actions[0].output_tokens == 20


def test_after_an_answer_nobody_boots() -> None:
    known = model(LONG)
    unasked = [ShortlistCandidate(candidate="other", terms=CallTerms(prices=PRICES, boot_tokens=200))]
    answers = [PartialAnswer(Candidate("good", 0.5, 0), "The answer is B.", complete=True)]
    assert not booting(asked_outright(known, LETTERED, answers, unasked, 10**9))


@pytest.mark.parametrize(
    ("qualities", "expected"), [((0.6, 0.6), 0.24), ((1.0, 0.5), 0.0), ((0.7, 0.0), 0.0), ((0.5, 0.5, 0.5), 0.375)]
)
def test_the_room_for_a_choice(qualities: Sequence[float], expected: float) -> None:
    assert room(qualities) == pytest.approx(expected)

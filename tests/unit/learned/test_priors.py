from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.learned.priors import Example, Neighbours, Priors
from lightrouter.learned.words import hashed_words


def example(prompt: str, *quality: float | None) -> Example:
    return Example(hashed_words(prompt), quality, [100 if each is not None else 0 for each in quality])


def history() -> Priors:
    cats = [example(f"cats purr whiskers number{word}", 1.0, 0.0) for word in "abcdefghij"]
    stars = [example(f"stars orbit galaxy number{word}", 0.0, 1.0) for word in "klmnopqrst"]
    return Priors(("cats", "stars"), cats * 3 + stars * 3 + [example("else wholly other", 0.5, 0.5)] * 300)


def test_the_neighbourhood_tells_who_is_good_at_what() -> None:
    known = history()
    neighbours = known.neighbours("Why do cats purr with whiskers?")
    cats, stars = known.prior("cats", neighbours), known.prior("stars", neighbours)
    assert cats.near > 0.8 > 0.3 > stars.near
    assert cats.overall == pytest.approx(stars.overall)
    assert cats.expected > stars.expected
    assert list(neighbours.similarities) == sorted(neighbours.similarities, reverse=True)


def test_a_prompt_unlike_all_has_no_neighbours_and_the_overall_quality() -> None:
    known = history()
    prior = known.prior("cats", known.neighbours("zzz qqq"))
    assert prior.near == prior.wide == prior.overall
    assert not known.neighbours("").examples


def test_few_outcomes_are_shrunk_to_the_mean_of_all() -> None:
    known = Priors(("many", "few"), [example("x", 0.5, None)] * 100 + [example("y", 0.5, 1.0)])
    assert known.prior("few", Neighbours()).overall < 0.6
    assert known.prior("few", Neighbours()).evidence == 1
    with pytest.raises(KeyError):
        known.prior("nobody", Neighbours())


def test_a_stranger_is_as_good_as_the_pool_says_as_far_as_that_rests_on_prompts() -> None:
    known = history()
    assert known.prior_of_stranger(0.9, 10_000).overall == pytest.approx(0.9, abs=0.01)
    assert known.prior_of_stranger(0.9, 0).overall < 0.6
    assert known.prior_of_stranger(0.9, 0).overall > known.prior_of_stranger(0.8, 0).overall


def test_the_length_of_an_answer_tells_its_quality() -> None:
    outcomes = [Example({}, [0.0], [20])] * 200 + [Example({}, [1.0], [2000])] * 200
    known = Priors(("a",), outcomes)
    assert known.given_length("a", 0.5, 20, complete=True) < 0.1
    assert known.given_length("a", 0.5, 200, complete=False) > 0.9
    assert known.given_length("nobody", 0.5, 20, complete=True) == 0.5
    assert known.expected_length("a", Neighbours()) == pytest.approx(1010)
    assert known.expected_length("nobody", Neighbours()) is None


def brute_force(examples: Sequence[Example], words: Mapping[int, int]) -> list[tuple[int, float]]:
    """Returns each example that shares a telling word with `words`, by the cosine of both, highest first."""
    found = Counter(word for each in examples for word in each.words)
    most = max(2.0, len(examples) * 0.2)
    weights = {word: math.log(len(examples) / count) for word, count in found.items() if 1 < count <= most}

    def vector(counts: Mapping[int, int]) -> dict[int, float]:
        return {word: (1 + math.log(counts[word])) * weights[word] for word in counts if word in weights}

    def cosine(one: Mapping[int, float], other: Mapping[int, float]) -> float:
        product = sum(weight * other.get(word, 0.0) for word, weight in one.items())
        return product / math.hypot(*one.values()) / math.hypot(*other.values()) if product else 0.0

    asked = vector(words)
    similarities = [(place, cosine(asked, vector(each.words))) for place, each in enumerate(examples)]
    return sorted([each for each in similarities if each[1] > 0], key=lambda each: -each[1])


WORDS = st.dictionaries(st.integers(0, 12), st.integers(1, 4), max_size=6)


@given(st.lists(WORDS, min_size=1, max_size=40), WORDS)
def test_neighbours_are_those_of_a_search_by_brute_force(prompts: list[dict[int, int]], asked: dict[int, int]) -> None:
    examples = [Example(words, [0.5], [10]) for words in prompts]
    expected = brute_force(examples, asked)
    found = Priors(["a"], examples).neighbours_of(asked)
    assert dict(zip(found.examples, found.similarities, strict=True)) == pytest.approx(dict(expected))
    assert found.similarities == pytest.approx([similarity for _, similarity in expected])


@pytest.mark.parametrize("vocabulary", [50, 300, 20_000], ids=["all alike", "some alike", "few alike"])
def test_the_most_similar_of_many_neighbours_are_found(vocabulary: int) -> None:
    drawn = random.Random(0)
    prompts = [Counter(drawn.randrange(vocabulary) for _ in range(8)) for _ in range(3000)]
    examples = [Example(words, [0.5], [10]) for words in prompts]
    known = Priors(["a"], examples)
    for asked in prompts[:5]:
        expected = brute_force(examples, asked)[:400]
        found = known.neighbours_of(asked)
        assert found.similarities == pytest.approx([similarity for _, similarity in expected])


OUTCOMES = st.lists(st.none() | st.floats(0, 1), min_size=2, max_size=2)


@given(st.lists(OUTCOMES, min_size=1, max_size=60), st.data())
def test_a_prior_is_the_mean_over_the_neighbours_with_an_outcome(
    outcomes: list[list[float | None]], data: st.DataObject
) -> None:
    known = Priors(("a", "b"), [Example({}, quality, [10, 20]) for quality in outcomes])
    near = data.draw(st.lists(st.tuples(st.integers(0, len(outcomes) - 1), st.floats(0, 1))))
    neighbours = Neighbours([example for example, _ in near], [similarity for _, similarity in near])
    for place, name in enumerate(known.candidates):
        prior = known.prior(name, neighbours)
        for found, around, shrink in ((prior.wide, near, 4), (prior.near, near[:50], 2)):
            pairs = [(similarity, outcomes[example][place]) for example, similarity in around]
            told = [(similarity, quality) for similarity, quality in pairs if quality is not None]
            total = shrink * prior.overall + sum(similarity * quality for similarity, quality in told)
            assert found == pytest.approx(total / (shrink + sum(similarity for similarity, _ in told)))
        length = known.expected_length(name, neighbours)
        assert length is None or length == pytest.approx(10 * (place + 1))

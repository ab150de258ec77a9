import numpy as np
import pytest

from lightrouter.lab.results.bootstrap import Bootstrap


def test_the_interval_is_that_of_the_mean() -> None:
    values = np.random.default_rng(1).normal(0.5, 0.2, size=(900, 1))
    (estimate,) = Bootstrap([str(index) for index in range(900)], seed=0, rounds=8_000).estimate(values)
    assert estimate.mean == pytest.approx(values.mean())
    # A mean's standard error is the deviation over the root of the count; 1.96 of them make 95 %, 1.75 make 92 %.
    expected = 1.96 * values.std() / 30
    assert estimate.high - estimate.mean == pytest.approx(expected, rel=0.05)
    assert estimate.mean - estimate.low == pytest.approx(expected, rel=0.05)


def test_differences_are_paired() -> None:
    noise = np.random.default_rng(2).normal(size=400)
    bootstrap = Bootstrap([str(index) for index in range(400)], seed=0)
    (difference,) = bootstrap.estimate((noise + 0.01 - noise)[:, None])
    assert difference.low == pytest.approx(0.01)
    assert difference.high == pytest.approx(0.01)


def test_equal_prompts_are_no_new_evidence() -> None:
    values = np.random.default_rng(3).normal(size=(100, 1))
    prompts = [str(index) for index in range(100)]
    (once,) = Bootstrap(prompts, seed=0).estimate(values)
    (often,) = Bootstrap(prompts * 5, seed=0).estimate(np.tile(values, (5, 1)))
    assert often == pytest.approx(once)


def test_the_seed_decides() -> None:
    values = np.random.default_rng(4).normal(size=(50, 2))
    prompts = [str(index) for index in range(50)]
    assert Bootstrap(prompts, 7).estimate(values) == Bootstrap(prompts, 7).estimate(values)
    assert Bootstrap(prompts, 7).estimate(values) != Bootstrap(prompts, 8).estimate(values)

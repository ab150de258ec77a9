import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.lab.dataset.splits import folds, unseen


@given(
    st.lists(st.sampled_from([f"prompt {number}" for number in range(12)]), min_size=30, max_size=60),
    st.integers(2, 4),
    st.integers(0, 3),
)
def test_each_prompt_is_judged_once_and_never_learned_from_then(prompts: list[str], count: int, seed: int) -> None:
    if len(set(prompts)) < count:
        with pytest.raises(ValueError, match="different prompts cannot make"):
            folds(prompts, count, seed)
        return
    splits = folds(prompts, count, seed)
    assert len(splits) == count
    assert sorted(index for split in splits for index in split.test) == list(range(len(prompts)))
    for split in splits:
        assert not {prompts[index] for index in split.train} & {prompts[index] for index in split.test}
        assert len(split.train) + len(split.test) == len(prompts)


def test_too_few_prompts_say_how_many_folds_they_make() -> None:
    with pytest.raises(ValueError, match="give --folds 3 or less"):
        folds(["a", "b", "c"], 5, 0)


def test_prompts_of_both_recordings_are_not_learned_from() -> None:
    assert unseen(["a", "b", "c", "b"], ["b", "x"]).tolist() == [0, 2]

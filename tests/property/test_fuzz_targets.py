"""What `./dev fuzz` drives by coverage, tried here on the seeds and on damaged seeds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.targets import TARGETS, Target

each_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())


@st.composite
def damaged(draw: st.DrawFn, target: Target) -> bytes:
    """Return a seed with some bytes in place of others."""
    raw = draw(st.sampled_from(target.seeds))
    begin = draw(st.integers(0, len(raw)))
    end = draw(st.integers(begin, len(raw)))
    return raw[:begin] + draw(st.binary(max_size=12)) + raw[end:]


@each_target
def test_seeds_are_taken(target: Target) -> None:
    for seed in target.seeds:
        target.run(seed)


@each_target
@given(st.data())
def test_damaged_input_is_answered_or_refused(target: Target, data: st.DataObject) -> None:
    target.run(data.draw(damaged(target)))


@each_target
@given(raw=st.binary(max_size=400))
def test_any_bytes_are_answered_or_refused(target: Target, raw: bytes) -> None:
    target.run(raw)

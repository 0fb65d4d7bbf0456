"""What is read of a kubelet's and a runtime's counters."""

from __future__ import annotations

import pytest
from bench import sandbox_times
from bench.programs import MeasureError
from bench.sandbox_times import Counts

KUBELET = """\
# TYPE kubelet_run_podsandbox_duration_seconds histogram
kubelet_run_podsandbox_duration_seconds_bucket{runtime_handler="",le="0.005"} 0
kubelet_run_podsandbox_duration_seconds_sum{runtime_handler=""} 1.5
kubelet_run_podsandbox_duration_seconds_count{runtime_handler=""} 10
kubelet_run_podsandbox_duration_seconds_sum{runtime_handler="primary"} 0.5
kubelet_run_podsandbox_duration_seconds_count{runtime_handler="primary"} 4
"""
NAME = "containerd_cri_network_plugin_operations_duration_seconds_seconds"
RUNTIME = f"""\
{NAME}_bucket{{operation_type="set_up_pod",le="0.005"}} 0
{NAME}_sum{{operation_type="set_up_pod"}} 0.75
{NAME}_count{{operation_type="set_up_pod"}} 14
{NAME}_sum{{operation_type="tear_down_pod"}} 9.5
{NAME}_count{{operation_type="tear_down_pod"}} 3
"""


def test_a_handlers_sandboxes_and_all_networks_are_counted() -> None:
    counts = sandbox_times.counts(KUBELET, RUNTIME, "primary")

    assert counts == Counts(sandboxes=4, sandbox_s=0.5, networks=14, network_s=0.75)


def test_before_the_first_sandbox_there_is_nothing() -> None:
    assert sandbox_times.counts("", "", "") == Counts()


def test_the_time_of_one_sandbox_is_what_the_sums_grew_by() -> None:
    before = Counts(sandboxes=4, sandbox_s=0.5, networks=14, network_s=0.75)
    after = Counts(sandboxes=5, sandbox_s=0.625, networks=15, network_s=0.78125)

    times = sandbox_times.between(before, after)

    assert (times.sandbox, times.network, times.rest) == (125, 31.25, 93.75)


def test_two_sandboxes_at_once_are_no_measurement() -> None:
    after = Counts(sandboxes=1, sandbox_s=0.1, networks=2, network_s=0.1)

    with pytest.raises(MeasureError, match="somebody else's sandbox"):
        sandbox_times.between(Counts(), after)

import os
import resource

import psutil
import pytest

from tocsin.collect import ProcessCollector


def test_values_are_those_of_this_process():
    found = {
        sample.name: sample.value for family in ProcessCollector().collect() for sample in family.samples
    }
    process = psutil.Process(os.getpid())
    cpu_times = process.cpu_times()
    assert found["process_cpu_seconds_total"] == pytest.approx(cpu_times.user + cpu_times.system, abs=1)
    assert found["process_resident_memory_bytes"] == pytest.approx(process.memory_info().rss, rel=0.2)
    assert found["process_virtual_memory_bytes"] == pytest.approx(process.memory_info().vms, rel=0.2)
    assert found["process_open_fds"] == pytest.approx(process.num_fds(), abs=3)
    assert found["process_max_fds"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert found["process_start_time_seconds"] == pytest.approx(process.create_time(), abs=2)

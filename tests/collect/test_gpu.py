import ctypes.util
import socket

import pynvml
import pytest

from tests.collect import captures, nvml
from tests.support.cases import cases_dir
from tocsin.collect import GpuCollector

CAPTURES = (
    "linux-x86_64__nvidia-geforce-rtx-4080-super__595.71.05",
    "linux-x86_64__nvidia-h100-80gb-hbm3__590.48.01",
    "linux-x86_64__nvidia-h200__590.48.01",
)


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    return nvml.build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="session")
def old_library(tmp_path_factory):
    return nvml.build(tmp_path_factory.mktemp("nvml-before-510"), "-DDRIVER_BEFORE_510")


def test_every_value_of_a_card(library):
    (found,) = nvml.collect(library, nvml.machine(nvml.CARD))
    assert found.values() == {
        "DCGM_FI_DEV_SM_CLOCK": 1980,
        "DCGM_FI_DEV_MEM_CLOCK": 2619,
        "DCGM_FI_DEV_GPU_TEMP": 41,
        "DCGM_FI_DEV_MEMORY_TEMP": 52,
        "DCGM_FI_DEV_POWER_USAGE": 627.403,
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": 9_876_543_210_123,
        "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": 7,
        "DCGM_FI_PROF_PCIE_TX_BYTES": 1_234_000,
        "DCGM_FI_PROF_PCIE_RX_BYTES": 5_678_000,
        "DCGM_FI_DEV_GPU_UTIL": 97,
        "DCGM_FI_DEV_MEM_COPY_UTIL": 31,
        "DCGM_FI_DEV_ENC_UTIL": 3,
        "DCGM_FI_DEV_DEC_UTIL": 4,
        "DCGM_FI_DEV_FB_FREE": 60_000,
        "DCGM_FI_DEV_FB_USED": 21_000,
        "DCGM_FI_DEV_FB_RESERVED": 559,
        "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL": 11,
        "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": 12,
        "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL": 13,
        "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL": 2**40,
        "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": 5,
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": 6,
        "DCGM_FI_DEV_ROW_REMAP_FAILURE": 1,
        "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS": 0x44,
        "DCGM_FI_DEV_XID_ERRORS": 0,
        "tocsin_gpu_throttle_reasongpu_idle": 0,
        "tocsin_gpu_throttle_reasonapplications_clocks_setting": 0,
        "tocsin_gpu_throttle_reasonsw_power_cap": 1,
        "tocsin_gpu_throttle_reasonhw_slowdown": 0,
        "tocsin_gpu_throttle_reasonsync_boost": 0,
        "tocsin_gpu_throttle_reasonsw_thermal_slowdown": 0,
        "tocsin_gpu_throttle_reasonhw_thermal_slowdown": 1,
        "tocsin_gpu_throttle_reasonhw_power_brake_slowdown": 0,
    }
    assert found.status == "1 NVIDIA GPU: 1 x NVIDIA H100 80GB HBM3"


def test_labels_are_those_of_the_dcgm_exporter(library):
    second = {**nvml.CARD, "UUID": "GPU-second", "BUS_ID": "00000000:3B:00.0"}
    (found,) = nvml.collect(library, nvml.machine(nvml.CARD, second))
    labels = [labels for name, _, labels, _ in found.samples if name == "DCGM_FI_DEV_GPU_UTIL"]
    assert found.devices == 2
    assert labels[1] == {
        "gpu": "1",
        "UUID": "GPU-second",
        "pci_bus_id": "00000000:3B:00.0",
        "device": "nvidia1",
        "modelName": "NVIDIA H100 80GB HBM3",
        "Hostname": socket.gethostname(),
        "DCGM_FI_DRIVER_VERSION": "590.48.01",
    }
    assert labels[0]["UUID"] == nvml.CARD["UUID"]


def test_types_are_those_of_the_dcgm_exporter(library):
    listing = (cases_dir("gpu") / "default-counters.csv").read_text().splitlines()
    rows = [line.lstrip("# ").split(",", 2) for line in listing if line.lstrip("# ").startswith("DCGM_FI_")]
    known = {name.strip(): kind.strip() for name, kind, _ in rows}
    (found,) = nvml.collect(library, nvml.machine(nvml.CARD))
    ours = {name: kind for name, kind, _, _ in found.samples if name in known}
    # The list has the PCIe rates twice, long ago as a comment and a counter; the later word counts.
    assert ours == {name: known[name] for name in ours}
    assert len(ours) >= 20


@pytest.mark.parametrize("state", ["idle", "load"])
@pytest.mark.parametrize("name", CAPTURES)
def test_captured_cards_read_as_another_exporter_reads_them(library, name, state):
    folder = cases_dir("gpu")
    columns = captures.query_gpu(folder / "captures" / f"{name}.txt", state)
    other = captures.golden(folder / "golden" / f"{name}__{state}.metrics")
    (found,) = nvml.collect(library, nvml.machine(captures.stub_card(columns)))
    ours = {ours: found.value(ours) for ours, _, _ in captures.SAME_VALUE}
    theirs = {ours: other.get(name) for ours, name, _ in captures.SAME_VALUE}
    units = {ours: per_unit for ours, _, per_unit in captures.SAME_VALUE}
    missing = {ours for ours, value in theirs.items() if value is None}
    assert {name for name, value in ours.items() if value is None} == missing
    for metric in ours.keys() - missing:
        assert ours[metric] * units[metric] == pytest.approx(theirs[metric], rel=1e-9), metric


@pytest.mark.parametrize("absent", sorted(nvml.CARD.keys() - {"UUID", "NAME", "BUS_ID", "XID_EVENTS"}))
def test_what_a_card_does_not_support_gives_no_sample_and_hides_nothing_else(reading_losses, absent):
    lost = reading_losses[absent]
    assert 1 <= len(lost) <= 9
    assert all(before is not None and after is None for before, after in lost.values())


@pytest.fixture(scope="session")
def reading_losses(library):
    """For each reading of the stub, the metrics that change when it is not supported."""
    readings = sorted(nvml.CARD.keys() - {"UUID", "NAME", "BUS_ID", "XID_EVENTS"})
    steps = [nvml.machine(nvml.CARD)]
    steps += [{**nvml.machine(nvml.CARD), f"NVML_STUB_0_{name}": None} for name in readings]
    whole, *reduced = [found.values() for found in nvml.collect(library, *steps)]
    return {
        name: {
            metric: (value, after.get(metric))
            for metric, value in whole.items()
            if after.get(metric) != value
        }
        for name, after in zip(readings, reduced, strict=True)
    }


@pytest.mark.parametrize("blank", range(2**63 - 16, 2**63 - 12))
def test_dcgm_blank_values_are_missing(library, blank):
    card = {**nvml.CARD, "ENERGY": blank, "FB_RESERVED": blank}
    (found,) = nvml.collect(library, nvml.machine(card))
    assert 2**63 - 14 == 9223372036854775794
    assert found.value("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION") is None
    assert found.value("DCGM_FI_DEV_FB_RESERVED") is None
    assert found.value("DCGM_FI_DEV_FB_USED") == 21_000


def test_zero_is_a_value(library):
    (found,) = nvml.collect(library, nvml.machine({**nvml.CARD, "GPU_UTIL": 0, "REASONS": 0}))
    assert found.value("DCGM_FI_DEV_GPU_UTIL") == 0
    assert found.value("DCGM_FI_DEV_CLOCK_THROTTLE_REASONS") == 0


def test_reserved_memory_is_missing_before_driver_510(old_library):
    (found,) = nvml.collect(old_library, nvml.machine(nvml.CARD))
    assert found.value("DCGM_FI_DEV_FB_USED") == 21_000
    assert found.value("DCGM_FI_DEV_FB_FREE") == 60_000
    assert found.value("DCGM_FI_DEV_FB_RESERVED") is None


def test_a_lost_card_hides_no_other_and_its_last_xid_stays(library):
    two = nvml.machine(nvml.CARD, {**nvml.CARD, "UUID": "GPU-second"})
    lost = {"NVML_STUB_0_CARD": "error:15", "NVML_STUB_XIDS": "0:79"}
    before, after, back = nvml.collect(library, two, lost, {"NVML_STUB_0_CARD": None})
    assert after.values("0") == {"DCGM_FI_DEV_XID_ERRORS": 79}
    assert after.values("1") == before.values("1")
    assert after.devices == 2
    assert back.values("0") == {**before.values("0"), "DCGM_FI_DEV_XID_ERRORS": 79}


def test_a_card_that_is_broken_at_start_hides_no_other(library):
    two = nvml.machine({**nvml.CARD, "CARD": "error:15"}, {**nvml.CARD, "UUID": "GPU-second"})
    found, repaired = nvml.collect(library, two, {"NVML_STUB_0_CARD": None})
    assert found.values("0") == {}
    assert found.value("DCGM_FI_DEV_GPU_UTIL", "1") == 97
    assert found.status == "2 NVIDIA GPUs: 1 x NVIDIA H100 80GB HBM3, 1 that cannot be read"
    assert repaired.value("DCGM_FI_DEV_GPU_UTIL", "0") == 97


def test_the_last_xid_of_each_card(library):
    two = nvml.machine(nvml.CARD, {**nvml.CARD, "UUID": "GPU-second"})
    rounds = nvml.collect(
        library, two, {"NVML_STUB_XIDS": "1:31 0:13 1:48"}, {}, {"NVML_STUB_XIDS": "1:31 0:13 1:48 0:94"}
    )
    xids = [tuple(found.value("DCGM_FI_DEV_XID_ERRORS", gpu) for gpu in "01") for found in rounds]
    assert xids == [(0, 0), (13, 48), (13, 48), (94, 48)]


def test_a_card_without_xid_events_has_no_xid_value(library):
    (found,) = nvml.collect(library, nvml.machine({**nvml.CARD, "XID_EVENTS": "error:3"}))
    assert found.value("DCGM_FI_DEV_XID_ERRORS") is None
    assert found.value("DCGM_FI_DEV_GPU_UTIL") == 97


def test_a_driver_that_goes_away_and_comes_back(library):
    machine = {**nvml.machine(nvml.CARD), "NVML_STUB_XIDS": "0:31"}
    gone = {"NVML_STUB_COUNT": "error:999", "NVML_STUB_INIT": "error:9"}
    back = {"NVML_STUB_COUNT": "1", "NVML_STUB_INIT": "0"}
    another_xid = {"NVML_STUB_XIDS": "0:31 0:48"}
    first, lost, still_lost, returned, later = nvml.collect(library, machine, gone, {}, back, another_xid)
    assert lost.samples == still_lost.samples == [("tocsin_gpu_devices", "gauge", {}, 0)]
    assert lost.status == "no NVIDIA GPU can be read: Unknown Error"
    assert still_lost.status == "no NVIDIA GPU: the NVIDIA driver is not loaded"
    assert first.value("DCGM_FI_DEV_XID_ERRORS") == 31
    assert returned.samples == first.samples
    assert later.values() == {**first.values(), "DCGM_FI_DEV_XID_ERRORS": 48}


@pytest.mark.parametrize(
    ("variables", "status"),
    [
        ({"NVML_STUB_INIT": "error:9"}, "no NVIDIA GPU: the NVIDIA driver is not loaded"),
        ({"NVML_STUB_INIT": "error:12"}, "no NVIDIA GPU: libnvidia-ml.so.1 was not found"),
        ({"NVML_STUB_INIT": "0", "NVML_STUB_COUNT": "0"}, "no NVIDIA GPU: the driver lists none"),
    ],
)
def test_without_a_gpu_there_is_one_metric_and_one_phrase(library, variables, status):
    (found,) = nvml.collect(library, variables)
    assert found.samples == [("tocsin_gpu_devices", "gauge", {}, 0)]
    assert found.status == status


@pytest.mark.skipif(ctypes.util.find_library("nvidia-ml") is not None, reason="this machine has NVML")
def test_without_nvidias_library():
    collector = GpuCollector()
    assert collector.status() == "no NVIDIA GPU: libnvidia-ml.so.1 was not found"
    (family,) = collector.collect()
    assert [(sample.name, sample.value) for sample in family.samples] == [("tocsin_gpu_devices", 0)]


def test_a_missing_driver_is_left_alone_for_a_while(monkeypatch):
    attempts = []

    def fail():
        attempts.append(1)
        raise pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)
    patient, eager = GpuCollector(), GpuCollector(retry_after_s=0)
    for collector in (patient, patient, eager, eager):
        list(collector.collect())
    assert len(attempts) == 3

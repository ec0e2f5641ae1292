import os
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.peers import require_peer
from tests.support.ports import free_port
from tocsin.collect import SystemCollector, cpu, family_name, filesystem

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def collect(collector=None):
    """Values by metric name and label values."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in (collector or SystemCollector()).collect()
        for sample in family.samples
    }


def proc(name):
    return Path("/proc", name).read_text().splitlines()


def test_cpu_seconds_are_those_of_the_kernel():
    found = collect()
    rows = [line.split() for line in proc("stat") if line.startswith("cpu") and line[3].isdigit()]
    modes = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    assert {key[1] for key in found if key[0] == "node_cpu_seconds_total"} == {row[0][3:] for row in rows}
    for cpu_name, *ticks in rows:
        for mode, count in zip(modes, ticks, strict=False):
            key = ("node_cpu_seconds_total", cpu_name[3:], mode)
            assert found[key] == pytest.approx(int(count) / TICKS_PER_S, abs=2)
        guest = found["node_cpu_guest_seconds_total", cpu_name[3:], "user"]
        assert guest == pytest.approx(int(ticks[8]) / TICKS_PER_S, abs=2)


def test_memory_fields_are_those_of_the_kernel():
    found = collect()
    fields = {line.split(":")[0]: line.split(":")[1].split() for line in proc("meminfo")}
    for field in ("MemTotal", "SwapTotal", "CommitLimit"):
        assert found[f"node_memory_{field}_bytes",] == int(fields[field][0]) * 1024
    for field in ("MemFree", "MemAvailable", "Buffers", "Cached", "SwapFree", "Slab"):
        expected = int(fields[field][0]) * 1024
        assert found[f"node_memory_{field}_bytes",] == pytest.approx(expected, abs=2**28)
    assert found["node_memory_Active_anon_bytes",] >= 0
    assert ("node_memory_HugePages_Total",) in found


def test_network_counters_are_those_of_the_kernel():
    before, found, after = network_rows(), collect(), network_rows()
    columns = {
        "receive_bytes": 0,
        "receive_packets": 1,
        "receive_errs": 2,
        "receive_drop": 3,
        "transmit_bytes": 8,
        "transmit_packets": 9,
        "transmit_errs": 10,
        "transmit_drop": 11,
    }
    assert "lo" in before
    for device in before:
        for metric, column in columns.items():
            value = found[f"node_network_{metric}_total", device]
            assert before[device][column] <= value <= after[device][column]


def network_rows():
    rows = (line.partition(":") for line in proc("net/dev")[2:])
    return {device.strip(): [int(text) for text in rest.split()] for device, _, rest in rows}


def test_disk_counters_are_those_of_the_kernel():
    before, found, after = disk_rows(), collect(), disk_rows()
    columns = {
        "reads_completed": (0, 1),
        "reads_merged": (1, 1),
        "read_bytes": (2, 512),
        "read_time_seconds": (3, 0.001),
        "writes_completed": (4, 1),
        "writes_merged": (5, 1),
        "written_bytes": (6, 512),
        "write_time_seconds": (7, 0.001),
        "io_time_seconds": (9, 0.001),
    }
    devices = {key[1] for key in found if key[0] == "node_disk_read_bytes_total"}
    assert not any(device.startswith(("loop", "ram")) for device in devices)
    for device in devices:
        for metric, (column, unit) in columns.items():
            value = found[f"node_disk_{metric}_total", device]
            low, high = before[device][column] * unit, after[device][column] * unit
            assert low - 1e-6 <= value <= high + 1e-6


def disk_rows():
    rows = (line.split() for line in proc("diskstats"))
    return {row[2]: [int(text) for text in row[3:]] for row in rows}


@pytest.mark.parametrize("device", ["loop0", "ram1", "zram0", "sda1", "vdb12", "nvme0n1p2", "fd0"])
def test_partitions_and_memory_disks_are_left_out(monkeypatch, device):
    counters = psutil.disk_io_counters(perdisk=True, nowrap=False)
    some = next(iter(counters.values()))
    fakes = {device: some, "sda": some, "nvme0n1": some, "dm-0": some, "md0": some}
    monkeypatch.setattr(psutil, "disk_io_counters", lambda **_: fakes)
    found = {key[1] for key in collect() if key[0] == "node_disk_read_bytes_total"}
    assert found == {"sda", "nvme0n1", "dm-0", "md0"}


def test_load_time_boot_and_uname():
    found = collect()
    loads = [float(text) for text in proc("loadavg")[0].split()[:3]]
    (boot,) = (int(line.split()[1]) for line in proc("stat") if line.startswith("btime"))
    for minutes, load in zip((1, 5, 15), loads, strict=True):
        assert found[f"node_load{minutes}",] == pytest.approx(load, abs=1)
    assert found["node_boot_time_seconds",] == pytest.approx(boot, abs=1)
    assert found["node_time_seconds",] == pytest.approx(time.time(), abs=5)
    uname = os.uname()
    (labels,) = (key[1:] for key in found if key[0] == "node_uname_info")
    assert labels[:5] == (uname.sysname, uname.release, uname.version, uname.machine, uname.nodename)


def test_a_part_that_fails_hides_no_other(monkeypatch, caplog):
    def forbidden(**_):
        raise PermissionError(13, "Permission denied", "/proc/diskstats")

    collector = SystemCollector()
    monkeypatch.setattr(psutil, "disk_io_counters", forbidden)
    first, second = collect(collector), collect(collector)
    assert first["node_scrape_collector_success", "diskstats"] == 0
    assert second["node_scrape_collector_success", "cpu"] == 1
    assert not any(key[0].startswith("node_disk_") for key in second)
    assert ("node_load1",) in second
    (record,) = caplog.records
    assert "diskstats" in record.message
    assert "Permission denied" in record.message


def test_cpu_seconds_never_go_down(monkeypatch):
    readings = iter([(100.0, 5.0), (99.5, 4.0), (101.0, 6.0), (10.0, 1.0)])
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: [cpu_times(*next(readings))])
    seconds = cpu.CpuSeconds()
    found = []
    for _ in range(4):
        family, _ = seconds.collect()
        values = {sample.labels["mode"]: sample.value for sample in family.samples}
        found.append((values["idle"], values["iowait"]))
    # The last reading is that of a processor that was taken out and put in again.
    assert found == [(100.0, 5.0), (100.0, 5.0), (101.0, 6.0), (10.0, 1.0)]


def cpu_times(idle, iowait):
    return SimpleNamespace(_asdict=lambda: {"idle": idle, "iowait": iowait})


def mount(mountpoint, fstype="ext4", device="/dev/sdx1", opts="rw,relatime"):
    return SimpleNamespace(device=device, mountpoint=mountpoint, fstype=fstype, opts=opts)


@pytest.fixture
def mounts(monkeypatch):
    parts = []
    monkeypatch.setattr(psutil, "disk_partitions", lambda **asked: parts if asked == {"all": True} else [])
    return parts


def filesystem_values(collector):
    return {
        (sample.name.removeprefix("node_filesystem_"), sample.labels["mountpoint"]): sample.value
        for family in collector.collect()
        for sample in family.samples
    }


def test_filesystem_sizes_are_those_of_statvfs(mounts, tmp_path):
    mounts += [mount(str(tmp_path)), mount("/", opts="ro,relatime")]
    found = filesystem_values(filesystem.FilesystemSizes())
    stat = os.statvfs(tmp_path)
    assert found["size_bytes", str(tmp_path)] == stat.f_blocks * stat.f_frsize
    assert found["free_bytes", str(tmp_path)] == pytest.approx(stat.f_bfree * stat.f_frsize, rel=0.05)
    assert found["avail_bytes", str(tmp_path)] == pytest.approx(stat.f_bavail * stat.f_frsize, rel=0.05)
    assert found["files", str(tmp_path)] == stat.f_files
    assert found["files_free", str(tmp_path)] == pytest.approx(stat.f_ffree, rel=0.05)
    assert found["readonly", str(tmp_path)] == 0
    assert found["readonly", "/"] == 1
    assert found["device_error", "/"] == 0


def test_pseudo_filesystems_are_left_out(mounts):
    mounts += [
        mount("/", fstype="overlay", device="overlay"),
        mount("/data"),
        mount("/run/lock", fstype="tmpfs", device="tmpfs"),
        mount("/mnt/nfs", fstype="nfs4", device="server:/share"),
        mount("/proc", fstype="proc"),
        mount("/sys/fs/cgroup", fstype="cgroup2"),
        mount("/dev/shm", fstype="tmpfs"),
        mount("/snap/core/1", fstype="squashfs"),
        mount("/somewhere", fstype="overlay"),
        mount("/var/lib/docker/volumes/x"),
        mount("/", fstype="rootfs", device="rootfs"),
        mount("/data"),
    ]
    found = filesystem_values(filesystem.FilesystemSizes())
    kept = [mountpoint for metric, mountpoint in found if metric == "device_error"]
    assert sorted(kept) == ["/", "/data", "/mnt/nfs", "/run/lock"]


def test_a_forbidden_mount_hides_no_other(mounts, tmp_path):
    mounts += [mount("/does/not/exist"), mount(str(tmp_path))]
    found = filesystem_values(filesystem.FilesystemSizes())
    assert found["device_error", "/does/not/exist"] == 1
    assert ("size_bytes", "/does/not/exist") not in found
    assert found["size_bytes", str(tmp_path)] > 0


def test_a_hanging_mount_is_left_alone_until_it_answers(mounts, tmp_path, monkeypatch):
    mounts += [mount("/hanging"), mount(str(tmp_path))]
    answer, asked = threading.Event(), []
    statvfs = os.statvfs

    def slow_statvfs(path):
        asked.append(path)
        if path == "/hanging":
            answer.wait(60)
            return statvfs("/")
        return statvfs(path)

    monkeypatch.setattr(os, "statvfs", slow_statvfs)
    monkeypatch.setattr(filesystem, "STAT_TIMEOUT_S", 0.2)
    sizes = filesystem.FilesystemSizes()
    for _ in range(3):
        found = filesystem_values(sizes)
        assert found["device_error", "/hanging"] == 1
        assert ("size_bytes", "/hanging") not in found
        assert found["size_bytes", str(tmp_path)] > 0
    assert asked.count("/hanging") == 1
    answer.set()
    monkeypatch.setattr(filesystem, "STAT_TIMEOUT_S", 60)
    eventually(lambda: filesystem_values(sizes)["device_error", "/hanging"] == 0)


def eventually(condition, limit_s=20):
    deadline_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


@pytest.mark.peer
def test_names_and_labels_are_those_of_node_exporter():
    port = free_port()
    command = [require_peer("prometheus-node-exporter"), f"--web.listen-address=127.0.0.1:{port}"]
    exporter = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        theirs = exporter_labels(port)
    finally:
        exporter.terminate()
        exporter.wait(10)
    ours = {
        sample.name: set(sample.labels) for family in SystemCollector().collect() for sample in family.samples
    }
    assert {name for name in ours if name not in theirs} == set()
    for name, labels in ours.items():
        assert labels <= theirs[name], name


def exporter_labels(port):
    text = ""

    def answers():
        nonlocal text
        try:
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
                text = page.read().decode()
        except OSError:
            return False
        return True

    eventually(answers)
    families = text_string_to_metric_families(text)
    return {sample.name: set(sample.labels) for family in families for sample in family.samples}


def test_counters_are_described_as_counters():
    types = {family_name(family): family.type for family in SystemCollector().collect()}
    assert types["node_cpu_seconds_total"] == "counter"
    assert types["node_memory_MemFree_bytes"] == "gauge"

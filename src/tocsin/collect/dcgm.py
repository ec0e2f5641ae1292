"""Which reading of NVIDIA's management library stands behind which metric of the DCGM exporter.

Names, types and units are those of the DCGM exporter's ``default-counters.csv`` and of DCGM's field
list; the readings are those that DCGM itself takes from NVML for these fields.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pynvml as nvml

Handle = Any
"""NVML's handle of one card; the binding has no types."""

_FIRST_BLANK: Final = 0x7FFF_FFFF_FFFF_FFF0
"""DCGM's blank values start here: no data, not found, not supported (…794), not permitted."""

_BYTES_PER_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Field:
    """One metric: its type, its help text, and how NVML's integer becomes the metric's unit."""

    name: str
    type: str
    help: str
    in_unit: Callable[[int], float] = float


@dataclass(frozen=True, slots=True)
class Reading:
    """One call of NVML and the fields that its values fill, in order."""

    read: Callable[[Handle], Sequence[int]]
    fields: tuple[Field, ...]

    def values(self, card: Handle) -> list[tuple[Field, float]]:
        """The values that the card has. Raises NVMLError when it has none of them."""
        return [
            (field, field.in_unit(value))
            for field, value in zip(self.fields, self.read(card), strict=True)
            if value < _FIRST_BLANK
        ]


def _gauge(name: str, text: str, in_unit: Callable[[int], float] = float) -> Field:
    return Field(name, "gauge", text, in_unit)


def _counter(name: str, text: str) -> Field:
    return Field(name, "counter", text)


def _one(read: Callable[[Handle], int], field: Field) -> Reading:
    return Reading(lambda card: (read(card),), (field,))


def _clock(kind: int) -> Callable[[Handle], int]:
    return lambda card: int(nvml.nvmlDeviceGetClockInfo(card, kind))


def _gpu_temperature(card: Handle) -> int:
    return int(nvml.nvmlDeviceGetTemperature(card, nvml.NVML_TEMPERATURE_GPU))


def _memory_temperature(card: Handle) -> int:
    field = nvml.nvmlDeviceGetFieldValues(card, [nvml.NVML_FI_DEV_MEMORY_TEMP])[0]
    if field.nvmlReturn != nvml.NVML_SUCCESS:
        raise nvml.NVMLError(field.nvmlReturn)
    return int(field.value.uiVal)


def _utilization(card: Handle) -> tuple[int, int]:
    rates = nvml.nvmlDeviceGetUtilizationRates(card)
    return rates.gpu, rates.memory


def _encoder(card: Handle) -> int:
    return int(nvml.nvmlDeviceGetEncoderUtilization(card)[0])


def _decoder(card: Handle) -> int:
    return int(nvml.nvmlDeviceGetDecoderUtilization(card)[0])


def _memory(card: Handle) -> tuple[int, int, int]:
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(card, version=nvml.nvmlMemory_v2)
    except nvml.NVMLError_FunctionNotFound:
        # Drivers before 510 do not tell reserved memory apart.
        memory = nvml.nvmlDeviceGetMemoryInfo(card)
        return memory.free, memory.used, _FIRST_BLANK
    return memory.free, memory.used, memory.reserved


def _pcie_throughput(counter: int) -> Callable[[Handle], int]:
    return lambda card: int(nvml.nvmlDeviceGetPcieThroughput(card, counter))


def _ecc(error_type: int, counter_type: int) -> Callable[[Handle], int]:
    return lambda card: int(nvml.nvmlDeviceGetTotalEccErrors(card, error_type, counter_type))


def _remapped_rows(card: Handle) -> tuple[int, int, int]:
    correctable, uncorrectable, _, failure = nvml.nvmlDeviceGetRemappedRows(card)
    return correctable, uncorrectable, failure


def _throttle_reasons(card: Handle) -> int:
    return int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(card))


def _mib(size_bytes: int) -> float:
    return float(size_bytes // _BYTES_PER_MIB)


def _watts(power_mw: int) -> float:
    return power_mw / 1000


def _bytes_per_second(throughput_kb: int) -> float:
    return throughput_kb * 1000.0


READINGS: Final = (
    _one(_clock(nvml.NVML_CLOCK_SM), _gauge("DCGM_FI_DEV_SM_CLOCK", "SM clock frequency (in MHz).")),
    _one(_clock(nvml.NVML_CLOCK_MEM), _gauge("DCGM_FI_DEV_MEM_CLOCK", "Memory clock frequency (in MHz).")),
    _one(_memory_temperature, _gauge("DCGM_FI_DEV_MEMORY_TEMP", "Memory temperature (in C).")),
    _one(_gpu_temperature, _gauge("DCGM_FI_DEV_GPU_TEMP", "GPU temperature (in C).")),
    _one(nvml.nvmlDeviceGetPowerUsage, _gauge("DCGM_FI_DEV_POWER_USAGE", "Power draw (in W).", _watts)),
    _one(
        nvml.nvmlDeviceGetTotalEnergyConsumption,
        _counter("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "Total energy consumption since boot (in mJ)."),
    ),
    _one(
        nvml.nvmlDeviceGetPcieReplayCounter,
        _counter("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "Total number of PCIe retries."),
    ),
    _one(
        _pcie_throughput(nvml.NVML_PCIE_UTIL_TX_BYTES),
        _gauge(
            "DCGM_FI_PROF_PCIE_TX_BYTES",
            "The rate of data transmitted over the PCIe bus, in bytes per second.",
            _bytes_per_second,
        ),
    ),
    _one(
        _pcie_throughput(nvml.NVML_PCIE_UTIL_RX_BYTES),
        _gauge(
            "DCGM_FI_PROF_PCIE_RX_BYTES",
            "The rate of data received over the PCIe bus, in bytes per second.",
            _bytes_per_second,
        ),
    ),
    Reading(
        _utilization,
        (
            _gauge("DCGM_FI_DEV_GPU_UTIL", "GPU utilization (in %)."),
            _gauge("DCGM_FI_DEV_MEM_COPY_UTIL", "Memory utilization (in %)."),
        ),
    ),
    _one(_encoder, _gauge("DCGM_FI_DEV_ENC_UTIL", "Encoder utilization (in %).")),
    _one(_decoder, _gauge("DCGM_FI_DEV_DEC_UTIL", "Decoder utilization (in %).")),
    Reading(
        _memory,
        (
            _gauge("DCGM_FI_DEV_FB_FREE", "Framebuffer memory free (in MiB).", _mib),
            _gauge("DCGM_FI_DEV_FB_USED", "Framebuffer memory used (in MiB).", _mib),
            _gauge("DCGM_FI_DEV_FB_RESERVED", "Framebuffer memory reserved (in MiB).", _mib),
        ),
    ),
    _one(
        _ecc(nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, nvml.NVML_VOLATILE_ECC),
        _counter("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", "Total number of single-bit volatile ECC errors."),
    ),
    _one(
        _ecc(nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_VOLATILE_ECC),
        _counter("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "Total number of double-bit volatile ECC errors."),
    ),
    _one(
        _ecc(nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, nvml.NVML_AGGREGATE_ECC),
        _counter("DCGM_FI_DEV_ECC_SBE_AGG_TOTAL", "Total number of single-bit persistent ECC errors."),
    ),
    _one(
        _ecc(nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_AGGREGATE_ECC),
        _counter("DCGM_FI_DEV_ECC_DBE_AGG_TOTAL", "Total number of double-bit persistent ECC errors."),
    ),
    Reading(
        _remapped_rows,
        (
            _counter(
                "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "Number of remapped rows for correctable errors"
            ),
            _counter(
                "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", "Number of remapped rows for uncorrectable errors"
            ),
            _gauge("DCGM_FI_DEV_ROW_REMAP_FAILURE", "Whether remapping of rows has failed"),
        ),
    ),
    _one(
        _throttle_reasons,
        _gauge("DCGM_FI_DEV_CLOCK_THROTTLE_REASONS", "Bit mask of why the clocks are held down."),
    ),
)

THROTTLE_REASONS: Final = {
    "gpu_idle": nvml.nvmlClocksThrottleReasonGpuIdle,
    "applications_clocks_setting": nvml.nvmlClocksThrottleReasonApplicationsClocksSetting,
    "sw_power_cap": nvml.nvmlClocksThrottleReasonSwPowerCap,
    "hw_slowdown": nvml.nvmlClocksThrottleReasonHwSlowdown,
    "sync_boost": nvml.nvmlClocksThrottleReasonSyncBoost,
    "sw_thermal_slowdown": nvml.nvmlClocksThrottleReasonSwThermalSlowdown,
    "hw_thermal_slowdown": nvml.nvmlClocksThrottleReasonHwThermalSlowdown,
    "hw_power_brake_slowdown": nvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown,
    "display_clock_setting": nvml.nvmlClocksThrottleReasonDisplayClockSetting,
}
"""The bits of the mask by the names that ``nvidia-smi`` gives them."""


def throttle_states(card: Handle) -> dict[str, float]:
    """1 or 0 for each reason that the card can report. Raises NVMLError when it reports none."""
    supported = nvml.nvmlDeviceGetSupportedClocksThrottleReasons(card)
    active = _throttle_reasons(card)
    return {reason: float(bool(active & bit)) for reason, bit in THROTTLE_REASONS.items() if supported & bit}

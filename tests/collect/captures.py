"""Captures of nvidia-smi on real machines, and what another exporter made of them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

MIB = 2**20


def query_gpu(capture: Path, state: str) -> dict[str, str]:
    """The columns of the CSV query, without units, in the section of one state (idle or load)."""
    _, _, section = capture.read_text().partition(f"# {state} :: query-gpu (csv")
    rows = [line for line in section.splitlines() if line and not line.startswith("#")]
    names, values = (next(csv.reader([row], skipinitialspace=True)) for row in rows[1:3])
    return {re.sub(r" \[.*", "", name): value for name, value in zip(names, values, strict=True)}


def golden(file: Path) -> dict[str, float]:
    """The other exporter's values of the one card in a file."""
    families = text_string_to_metric_families(file.read_text())
    return {sample.name: sample.value for family in families for sample in family.samples}


def _number(text: str) -> float | None:
    match = re.match(r"-?[\d.]+|0x[0-9A-Fa-f]+", text if "deprecated" not in text else "")
    if not match:
        return {"No": 0.0, "Yes": 1.0}.get(text)
    return float(int(text, 16)) if text.startswith("0x") else float(match[0])


# What NVML must have told nvidia-smi: reading of the stub, CSV column, NVML's units in one that is shown.
STUB_READINGS = (
    ("SM_CLOCK", "clocks.current.sm", 1),
    ("MEM_CLOCK", "clocks.current.memory", 1),
    ("GPU_TEMP", "temperature.gpu", 1),
    ("MEMORY_TEMP", "temperature.memory", 1),
    ("POWER", "power.draw", 1000),
    ("GPU_UTIL", "utilization.gpu", 1),
    ("MEM_UTIL", "utilization.memory", 1),
    ("ENC_UTIL", "utilization.encoder", 1),
    ("DEC_UTIL", "utilization.decoder", 1),
    ("FB_FREE", "memory.free", MIB),
    ("FB_USED", "memory.used", MIB),
    ("FB_RESERVED", "memory.reserved", MIB),
    ("ECC_SBE_VOL", "ecc.errors.corrected.volatile.total", 1),
    ("ECC_DBE_VOL", "ecc.errors.uncorrected.volatile.total", 1),
    ("ECC_SBE_AGG", "ecc.errors.corrected.aggregate.total", 1),
    ("ECC_DBE_AGG", "ecc.errors.uncorrected.aggregate.total", 1),
    ("ROWS_CORRECTABLE", "remapped_rows.correctable", 1),
    ("ROWS_UNCORRECTABLE", "remapped_rows.uncorrectable", 1),
    ("ROWS_FAILURE", "remapped_rows.failure", 1),
    ("REASONS", "clocks_event_reasons.active", 1),
    ("REASONS_SUPPORTED", "clocks_event_reasons.supported", 1),
)

# Our metric, the other exporter's, and how many of its units make one of ours.
SAME_VALUE = (
    ("DCGM_FI_DEV_SM_CLOCK", "nvidia_smi_clocks_current_sm_clock_hz", 1e6),
    ("DCGM_FI_DEV_MEM_CLOCK", "nvidia_smi_clocks_current_memory_clock_hz", 1e6),
    ("DCGM_FI_DEV_GPU_TEMP", "nvidia_smi_temperature_gpu", 1),
    ("DCGM_FI_DEV_MEMORY_TEMP", "nvidia_smi_temperature_memory", 1),
    ("DCGM_FI_DEV_POWER_USAGE", "nvidia_smi_power_draw_watts", 1),
    ("DCGM_FI_DEV_GPU_UTIL", "nvidia_smi_utilization_gpu_ratio", 0.01),
    ("DCGM_FI_DEV_MEM_COPY_UTIL", "nvidia_smi_utilization_memory_ratio", 0.01),
    ("DCGM_FI_DEV_ENC_UTIL", "nvidia_smi_utilization_encoder_ratio", 0.01),
    ("DCGM_FI_DEV_DEC_UTIL", "nvidia_smi_utilization_decoder_ratio", 0.01),
    ("DCGM_FI_DEV_FB_FREE", "nvidia_smi_memory_free_bytes", MIB),
    ("DCGM_FI_DEV_FB_USED", "nvidia_smi_memory_used_bytes", MIB),
    ("DCGM_FI_DEV_FB_RESERVED", "nvidia_smi_memory_reserved_bytes", MIB),
    ("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", "nvidia_smi_ecc_errors_corrected_volatile_total", 1),
    ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "nvidia_smi_ecc_errors_uncorrected_volatile_total", 1),
    ("DCGM_FI_DEV_ECC_SBE_AGG_TOTAL", "nvidia_smi_ecc_errors_corrected_aggregate_total", 1),
    ("DCGM_FI_DEV_ECC_DBE_AGG_TOTAL", "nvidia_smi_ecc_errors_uncorrected_aggregate_total", 1),
    ("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "nvidia_smi_remapped_rows_correctable", 1),
    ("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", "nvidia_smi_remapped_rows_uncorrectable", 1),
    ("DCGM_FI_DEV_ROW_REMAP_FAILURE", "nvidia_smi_remapped_rows_failure", 1),
    ("DCGM_FI_DEV_CLOCK_THROTTLE_REASONS", "nvidia_smi_clocks_event_reasons_active", 1),
)


def stub_card(columns: dict[str, str]) -> dict[str, object]:
    """A card for the stub that reads as the captured one did; what was not available is left out."""
    readings = {name: (_number(columns[column]), units) for name, column, units in STUB_READINGS}
    known = {name: round(value * units) for name, (value, units) in readings.items() if value is not None}
    identity = {"UUID": columns["uuid"], "NAME": columns["name"], "BUS_ID": columns["pci.bus_id"]}
    return {**identity, **known}

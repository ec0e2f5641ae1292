"""The ``alerting`` section of a prometheus.yml: Alertmanagers elsewhere that get every alert.

Source: prometheus.io/docs/prometheus/latest/configuration/configuration/#alertmanager_config.
"""

from __future__ import annotations

from typing import Literal

from tocsin.config.alertmanager.http import HttpConfig
from tocsin.config.model import ConfigModel, PositiveDurationMs
from tocsin.config.relabel import RelabelConfig
from tocsin.config.scrape import (
    DnsDiscoveryConfig,
    FileDiscoveryConfig,
    HttpDiscoveryConfig,
    TargetGroup,
)


class AlertmanagersConfig(HttpConfig):
    """Alertmanagers that get every alert: how they are found, and how they are spoken to.

    ``relabel_configs`` choose and change Alertmanagers, ``alert_relabel_configs`` the alerts that
    these get.
    """

    static_configs: tuple[TargetGroup, ...] = ()
    file_sd_configs: tuple[FileDiscoveryConfig, ...] = ()
    http_sd_configs: tuple[HttpDiscoveryConfig, ...] = ()
    dns_sd_configs: tuple[DnsDiscoveryConfig, ...] = ()
    relabel_configs: tuple[RelabelConfig, ...] = ()
    alert_relabel_configs: tuple[RelabelConfig, ...] = ()
    scheme: Literal["http", "https"] = "http"
    path_prefix: str = "/"
    api_version: Literal["v2"] = "v2"
    timeout: PositiveDurationMs = 10_000


class AlertingConfig(ConfigModel):
    """The ``alerting`` section; ``alert_relabel_configs`` change the alerts for all Alertmanagers."""

    alert_relabel_configs: tuple[RelabelConfig, ...] = ()
    alertmanagers: tuple[AlertmanagersConfig, ...] = ()

"""``dns_sd_configs``: names whose records are the targets.

Source: prometheus.io/docs/prometheus/latest/configuration/configuration/#dns_sd_config.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from dns.exception import DNSException
from dns.resolver import NXDOMAIN, NoAnswer, Resolver

from tocsin.config import Source, validate
from tocsin.config.scrape import DnsDiscoveryConfig, DnsRecordType, TargetGroup
from tocsin.config.source import Data
from tocsin.errors import ConfigError
from tocsin.scrape.polled_discovery import PolledDiscovery

TIMEOUT_S: Final = 10.0


class DnsDiscovery(PolledDiscovery):
    """One entry of ``dns_sd_configs``; ``resolver`` is the machine's own unless another is given.

    Names are asked for as they are written, without the machine's search list.
    """

    def __init__(
        self,
        config: DnsDiscoveryConfig,
        now_s: Callable[[], float] = time.monotonic,
        resolver: Resolver | None = None,
    ) -> None:
        super().__init__(", ".join(config.names), config.refresh_interval, now_s)
        self._config = config
        self._resolver = resolver

    def ask(self) -> list[TargetGroup]:
        """A group for each record; raises ConfigError without an answer, or for one that names no host."""
        return [self._group(name, record) for name in self._config.names for record in self._records(name)]

    def _records(self, name: str) -> list[Any]:
        try:
            if self._resolver is None:
                self._resolver = Resolver()
            answer = self._resolver.resolve(
                name, self._config.type.value, lifetime=TIMEOUT_S, search=False, tcp=False
            )
        except (NXDOMAIN, NoAnswer):
            return []
        except (DNSException, OSError) as error:
            raise ConfigError(f'cannot look up "{name}" ({self._config.type.value}): {error}') from error
        return list(answer)

    def _group(self, name: str, record: Any) -> TargetGroup:
        kind = self._config.type
        address, labels = _READERS[kind](record, cast("int", self._config.port))
        group: Data = {"targets": [address], "labels": {"__meta_dns_name": name, **labels}}
        return validate(TargetGroup, Source(f'the {kind.value} records of "{name}"', group, {}))


def _service(record: Any, _port: int) -> tuple[str, Mapping[str, str]]:
    target = record.target.to_text()
    labels = {
        "__meta_dns_srv_record_target": target,
        "__meta_dns_srv_record_port": str(record.port),
    }
    return f"{target.rstrip('.')}:{record.port}", labels


def _address(record: Any, port: int) -> tuple[str, Mapping[str, str]]:
    host = f"[{record.address}]" if ":" in record.address else record.address
    return f"{host}:{port}", {}


def _mail_exchange(record: Any, port: int) -> tuple[str, Mapping[str, str]]:
    target = record.exchange.to_text()
    return f"{target.rstrip('.')}:{port}", {"__meta_dns_mx_record_target": target}


def _name_server(record: Any, port: int) -> tuple[str, Mapping[str, str]]:
    target = record.target.to_text()
    return f"{target.rstrip('.')}:{port}", {"__meta_dns_ns_record_target": target}


_READERS: Final[Mapping[DnsRecordType, Callable[[Any, int], tuple[str, Mapping[str, str]]]]] = {
    DnsRecordType.SRV: _service,
    DnsRecordType.A: _address,
    DnsRecordType.AAAA: _address,
    DnsRecordType.MX: _mail_exchange,
    DnsRecordType.NS: _name_server,
}

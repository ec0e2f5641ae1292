"""HTTP: Prometheus' API, tocsin's own, and the pages."""

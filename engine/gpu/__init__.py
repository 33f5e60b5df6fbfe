"""NVML and host sampling, telemetry, device locks."""

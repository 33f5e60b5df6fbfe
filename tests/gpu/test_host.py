"""The machine's figures."""

from engine.gpu.host import Host


def test_there_is_no_cpu_figure_until_some_time_was_measured() -> None:
    host = Host()
    assert host.sample().cpu_percent is None
    assert host.sample().cpu_percent is None, "a share of no time is no figure"
    host._at -= 1.0
    figure = host.sample().cpu_percent
    assert figure is not None and 0.0 <= figure <= 100.0
    assert host.sample().cpu_percent == figure

"""One hypothesis profile for all rooms: no deadlines, for machines are slow at times, and nothing kept on the disk."""

from hypothesis import HealthCheck, settings

settings.register_profile("overnight", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("overnight")

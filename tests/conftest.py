"""Settings of every test run."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# A slow or busy machine, or the first use of Hypothesis' Unicode tables, is no failure of a promise.
settings.register_profile("unheld", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unheld")

# A run in the background of a shell ignores Ctrl-C, and so would every program it tests.
signal.signal(signal.SIGINT, signal.default_int_handler)

"""The custodian of unheld: holds column keys abroad and lets them lapse."""

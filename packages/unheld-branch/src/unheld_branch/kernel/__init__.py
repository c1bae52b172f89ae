"""What every room of the branch stands on: clock, locks, process hardening."""

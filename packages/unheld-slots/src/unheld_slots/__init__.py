"""Erasable slots: the only memory of unheld that must forget."""

"""Checks logs, receipts and certificates of unheld, offline."""

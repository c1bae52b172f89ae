"""Leaving: what a buyer receives and what not, an objection's pause, the certificate, the case folder."""

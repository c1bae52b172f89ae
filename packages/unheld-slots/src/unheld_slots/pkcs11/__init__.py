"""Slots in a PKCS#11 token (`docs/spec/slot.md`). Only `worker`, a process of its own, imports python-pkcs11."""

"""The one tree of errors.

UnheldError
├── BadInputError            1   what was given cannot be read: names the place and the mend
│   └── NewerError          14   it is of a version that only a later release reads: nothing is wrong with it
├── UsageError               2   the call's words are off
├── PartialError             3   part of the work was done, and what was not is listed
├── NotAllowedError          4   needs an identity, a confirmation or an approval that is missing
├── NoStoreError            10   there is no store at that place
├── LockedError             11   another process works on the store
├── WrongKeyError           12   a key, code or share does not open this
├── SealedError             13   no key for this is held here (closed, lapsed, forgotten)
├── VerificationError       20   checked, and it is FALSE
├── CannotVerifyError       21   something needed for the check is missing
├── AwayError                1   somebody did not answer: what was asked may or may not have been done
├── StateError               1   the store's state forbids this step
│   ├── DiskError            1   a disk refused or failed, and nothing was changed: mend it and call again
│   ├── RolledBackError     20   a part is older than another part says it is
│   └── StateUnknownError    1   a write may or may not have happened: read again, never retry blind
└── InternalError            1   our own mistake

Libraries raise; only the command line turns an error into an exit code and a service into a status.
"""

from __future__ import annotations

WORDS_MOST = 4_000
"""Signs of the longest error: a hostile file that is quoted in one shall not flood who reads it."""


class UnheldError(Exception):
    """Root of every error raised on purpose. `str(error)` is text for the operator: place, cause, mend."""

    exit_code = 1
    status = 500

    def __str__(self) -> str:
        words = super().__str__()
        return words if len(words) <= WORDS_MOST else f"{words[: WORDS_MOST - 1]}…"


class BadInputError(UnheldError):
    """What was given cannot be read."""

    status = 400


class NewerError(BadInputError):
    """What was given is of a version that only a later release reads."""

    exit_code = 14


class UsageError(UnheldError):
    """The call's words are off."""

    exit_code = 2
    status = 400


class PartialError(UnheldError):
    """Part of the work was done."""

    exit_code = 3
    status = 207


class NotAllowedError(UnheldError):
    """A confirmation, identity or approval is missing."""

    exit_code = 4
    status = 403


class NoStoreError(UnheldError):
    """There is no store at that place."""

    exit_code = 10
    status = 404


class LockedError(UnheldError):
    """Another process works on the store."""

    exit_code = 11
    status = 423


class WrongKeyError(UnheldError):
    """A key, code or share does not open this."""

    exit_code = 12
    status = 403


class SealedError(UnheldError):
    """No key for this is held here: closed, lapsed or forgotten."""

    exit_code = 13
    status = 410


class VerificationError(UnheldError):
    """Checked, and it is false."""

    exit_code = 20
    status = 422


class CannotVerifyError(UnheldError):
    """Something needed for the check is missing: neither true nor false."""

    exit_code = 21
    status = 424


class AwayError(UnheldError):
    """Somebody at the other end of a line did not answer: what was asked may or may not have been done."""

    status = 504


class StateError(UnheldError):
    """The state of a store or of a part forbids this step."""

    status = 409


class DiskError(StateError):
    """A disk refused or failed, and nothing was changed. It says nothing against what was asked for."""

    status = 507


class RolledBackError(StateError):
    """A part is older than another part says it is."""

    exit_code = 20


class PromotedError(RolledBackError):
    """A copy was promoted and is the store now: whoever asks it no longer is."""


class StateUnknownError(StateError):
    """A write may or may not have happened: read again, never retry blind."""


class InternalError(UnheldError):
    """Our own mistake: a call in an order that the code must not allow."""

"""What unheld does not promise: the one place for these sentences. The README and every certificate say them."""

from __future__ import annotations

# One a line, as in the README.
LIMITS = tuple(
    """\
That no copy was made earlier or elsewhere. Each status prints "this store is 1 of N known places holding such data, M not covered".
That interception ports are shut: it does nothing about people being found now.
That staff are safe. They can say truthfully that they cannot read the past; what follows, no program decides.
That custodians truly destroyed keys, or that t of them do not collude. Their word is testimony.
That today's open columns are safe on a seized branch.
That forgetting one party binds those who had copied its row and the columns; or reaches parked batches before their own date.
That deletion is lawful where you are. Ask counsel, before.
That it has been audited. It has not.
""".splitlines()  # noqa: E501
)

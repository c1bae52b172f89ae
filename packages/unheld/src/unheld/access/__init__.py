"""Own access: a subscriber's card, what they ask for, and how their own records open on their own machine.

Nothing here opens a store. What branch and headquarters do for it is in `unheld.workflows.access`; both carry what they
cannot read.
"""

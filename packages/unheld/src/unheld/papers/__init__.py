"""Papers as people read them: one model, written as HTML and PDF."""

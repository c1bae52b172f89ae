"""The public log: static tiles that any C2SP tool reads."""

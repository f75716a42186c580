"""How each part of a daemon is made: registrations, imported when the part is wanted (see `daemon.builtins`)."""

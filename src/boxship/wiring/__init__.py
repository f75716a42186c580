"""How parts meet: what a part is (`parts`), in which order parts are made (`graph`), what a part can be told (`sections`),
which parts others bring along (`strangers`).

Nothing here knows what any part does; no container word stands in this room. `assembly` makes the parts of a graph one
after the other and keeps them. A part that cannot be made is skipped, with the reason, and what needs it says so too.
Everybody above may enter.
"""

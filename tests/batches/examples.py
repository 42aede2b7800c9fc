"""Examples of the rule for batches: the registry, the batch, the option, the outcomes and the registry at the end.

A conflict names the entity that has the external id (`w 2`) and, where a row of the batch stands in the way, that row
(`row 0`); a move names the mappings that lose their id (`from 3`).
"""

EXAMPLES = [
    ("1:A 2:B", "1=B, 2=A", "report", "updated, updated", "1:B 2:A"),
    ("1:A 2:B", "1=B, 2=A", "move", "updated, updated", "1:B 2:A"),
    ("1:A 2:B 3:C", "1=B, 2=C, 3=D", "report", "updated, updated, updated", "1:B 2:C 3:D"),
    ("1:A 2:B 3:C", "1=B, 2=C", "report", "conflict w 2, conflict w 3", "1:A 2:B 3:C"),
    ("1:A 2:B 3:C", "1=B, 2=C", "skip", "skipped w 2, skipped w 3", "1:A 2:B 3:C"),
    ("1:A 2:B 3:C", "1=B, 2=C", "move", "updated, updated from 3", "1:B 2:C 3:-"),
    ("1:A+r", "2=A", "move", "created from 1", "1:-+r 2:A"),
    ("1:A", "2=A, 1=+q", "report", "conflict w 1 row 1, updated", "1:A+q"),
    ("1:A", "2=A, 1=+q", "move", "created from 1, updated", "1:-+q 2:A"),
    ("1:A", "2=A, 1=A", "report", "conflict w 1 row 1, unchanged", "1:A"),
    ("1:A", "2=A, 1=A", "move", "conflict w 1 row 1, unchanged", "1:A"),
    ("1:A", "2=A, 1=null", "report", "created, updated", "1:- 2:A"),
    ("", "1=A, 2=A", "report", "created, conflict w 1 row 0", "1:A"),
    ("", "1=A, 2=A", "move", "created, conflict w 1 row 0", "1:A"),
    ("", "1=A, 1=B", "report", "created, conflict row 0", "1:A"),
    ("", "1=A, 1=B", "skip", "created, conflict row 0", "1:A"),
    ("3:A", "1=A, 1=B", "report", "conflict w 3, conflict row 0", "3:A"),
    ("1:A*", "2=A", "report", "conflict w 1", "1:A*"),
    ("1:A*", "2=A", "move", "conflict w 1", "1:A*"),
    ("1:A*", "2=A*", "report", "created", "1:A* 2:A*"),
    ("1:A", "2=A*", "report", "conflict w 1", "1:A"),
    ("1:A", "2=A*", "move", "created from 1", "1:- 2:A*"),
    ("1:A*", "1=!, 2=A", "report", "updated, conflict w 1 row 0", "1:A"),
    ("1:A* 2:A*", "1=!, 2=!", "report", "conflict w 2, conflict w 1 row 0", "1:A* 2:A*"),
    ("1:A 2:A*", "1=A+q", "report", "updated", "1:A+q 2:A*"),
    ("1:A", "1=B", "keep", "kept", "1:A"),
    ("1:A", "1=A", "keep", "unchanged", "1:A"),
    ("1:-", "1=B", "keep", "updated", "1:B"),
    ("1:A 2:B", "1=B, 2=C", "keep", "kept, kept", "1:A 2:B"),
    ("1:A 2:B", "2=A, 1=C, 3=B", "report", "updated, updated, created", "1:C 2:A 3:B"),
    ("1:A", "1=B, 2=A, 3=A", "report", "updated, created, conflict w 2 row 1", "1:B 2:A"),
    ("1:A 3:C", "1=C, 2=A", "report", "conflict w 3, conflict w 1", "1:A 3:C"),
    ("1:A 3:C", "1=C, 2=A", "move", "updated from 3, created", "1:C 2:A 3:-"),
]

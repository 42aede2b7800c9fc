"""The size of keys: the database's indexes hold no longer ones."""

# An index entry has at most 2,704 bytes, and the index itself uses some of them. `bound_mapping.sql` has it too.
KEY_BYTES_MAX = 2_650

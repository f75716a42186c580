"""The words of the field: errors, digests, labels, filters, references, platforms, OCI values.

Pure values and parsers: no disk, no network, no clock. Everybody may enter, and this room knows nobody.
"""

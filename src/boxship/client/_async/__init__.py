"""The library, awaited. Written by hand; tools/unasync.py makes `boxship.client._sync` from it."""

"""The proxies, awaited. Written by hand; tools/unasync.py makes `boxship.proxies._sync` from them."""

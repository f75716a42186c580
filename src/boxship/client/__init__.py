"""The library: pull images, run containers, watch events, from a Python program.

`_async` is written by hand and `_sync` generated from it (tools/unasync.py); what both share lies beside them.
A client is a bag of proxies plus convenience and works with boxshipd and with any containerd from 1.6 on.
"""

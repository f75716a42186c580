"""The translation desk: core values to messages and back, errors to status and back, and the table of what can be called.

No I/O, no rules, no state. One module per noun, named as its twin in `core`.
May enter: proxies, services, shim, cri.
"""

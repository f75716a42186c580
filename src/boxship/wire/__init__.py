"""The translation desk: core values become messages and messages core values, errors become statuses and back.

One module per noun, plus what all share: times, masks, typed bytes, descriptors, headers, and the method tables made
from the protobuf descriptors. No I/O, no state. Services, proxies and CRI enter; nothing below core is reached around.
"""

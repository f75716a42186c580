"""The sub-commands of `boxship-oci`: runc's words, one module per group of commands, imported when called.

A command is a function `(call: main.Call) -> int` which returns the exit status; it raises `errors.Fault` for what
the log shall say. Only `boxship.ocirun.main` enters.
"""

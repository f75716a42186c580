"""Being asked: one adapter per service, one method per RPC: read the message, make one call, translate the answer.

An adapter is a plain class over a core Protocol; `SERVICE` is the descriptor of the service that it answers, from which
`wire.methods.handlers` makes the table for rpc. No adapter catches errors: `wire.errors.to_status` translates whatever
escapes. Adapters do not know each other. The daemon enters, and tests.
"""

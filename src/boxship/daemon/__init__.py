"""The only place where a boxship is put together: which parts there are, what the configuration says, who listens.

`config` reads containerd's files, `builtins` lists the parts and `parts` registers them, `engine` makes them and
answers for them, `listeners`, `locks`, `logs`, `memory`, `notify` and `processes` deal with the machine, `main` is
`boxshipd`, which does `commands`. Only `cli` and `testing` enter, and programs that embed an engine.
"""

"""The exchange: what happened, told to whoever listens. Payloads are bytes here; how to make and read them is handed in."""

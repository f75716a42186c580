"""When to collect garbage: a thread that weighs how long collections take against how much has changed."""

"""What others need to test their parts against ours: conformance suites, fakes, a small real registry.

A suite is a class of pytest tests whose fixtures a subclass overrides, so that one suite runs in every position: bare,
behind the book, over the wire, against a foreign daemon. Only tests enter here.
"""

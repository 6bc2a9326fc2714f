"""Labs run without a browser, and the proof of their checks."""

"""The course: lessons, labs, and the loader that joins them."""

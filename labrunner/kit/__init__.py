"""The images that the course needs."""

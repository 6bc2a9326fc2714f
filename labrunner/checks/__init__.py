"""What the labs' checks share."""

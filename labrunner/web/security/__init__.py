"""Who may reach the app."""

"""Pictures of the dashboard for docs/."""

"""Repositories of backups."""

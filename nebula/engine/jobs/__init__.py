"""Durable work: a job is data, an operation says how it is done in idempotent steps."""

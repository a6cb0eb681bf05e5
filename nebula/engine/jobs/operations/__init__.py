"""One file a subject: what each kind of job does."""

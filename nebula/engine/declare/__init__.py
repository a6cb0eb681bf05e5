"""Objects as documents say: what each kind of document means, how it differs from what is there, and how it is made so."""

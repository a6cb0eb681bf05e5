"""The attributes that make a domain: declared with what they take, read from a template, turned into the model's values."""

"""A virtual machine's template: checked and completed when it is created, turned into a domain when it starts."""

"""From a stored template to a VM's: answers put in, attributes replaced, variables of the context filled."""

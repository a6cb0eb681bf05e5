"""OpenNebula's verbs, states and context, and what each is here: docs/opennebula.md is made of it, and mistakes look in it."""

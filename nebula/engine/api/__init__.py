"""What the fronts see of the engine: the façade's verbs and values. Imports nothing heavy."""

"""The façade, in-process: guards, one transaction a verb, and the job that follows."""

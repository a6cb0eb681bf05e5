"""OneGate: an HTTP server to which guests report, as OpenNebula's do. A front: it has the façade and nothing else."""

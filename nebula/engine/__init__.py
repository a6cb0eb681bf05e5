"""The engine: state, lifecycle, jobs, scheduler, monitor, and the façade before them."""

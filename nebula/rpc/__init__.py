"""The façade over a Unix socket: JSON-RPC 2.0, one JSON object a line."""

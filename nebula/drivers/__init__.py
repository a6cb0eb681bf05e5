"""How things are made so on a host. A driver knows no database and no other driver's kind."""

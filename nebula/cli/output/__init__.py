"""How values, tables and objects are printed."""

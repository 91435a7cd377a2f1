"""`scripts/admin`: the command line for operators, one module for each thing it is about."""

"""All SQL of the program, as SQLAlchemy Core statements built once. Every function takes a connection; none commits."""

"""What a message means: the life of a connection, decided from values, without I/O or a clock."""

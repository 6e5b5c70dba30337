"""What is asked beside the rows of the main table: a module a question, with what it finds."""

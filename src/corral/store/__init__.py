"""What is remembered, in the values of the life cycle: one Protocol a concern, one module a concern in each back-end."""

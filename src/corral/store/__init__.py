"""What is remembered, in the values of the life cycle.

One Protocol a concern, and in each back-end one module a concern, under the same name.
"""

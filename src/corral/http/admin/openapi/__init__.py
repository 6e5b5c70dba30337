"""The description of the admin API, made from the route table and its types: as OpenAPI 3.1, and as a page."""

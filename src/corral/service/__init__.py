"""The verbs of the service: load, decide, commit, answer. Over the protocols of the store, never a back-end."""

"""The reference on several replicas at once: how a batch is cut, what each replica computes, how that is put together."""

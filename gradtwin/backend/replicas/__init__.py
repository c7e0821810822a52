"""The reference on several replicas: how a batch is cut, what each replica computes, how that is put together."""

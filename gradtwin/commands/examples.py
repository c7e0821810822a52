"""Which twins have a batch that can be cut into shards."""

from gradtwin.backend.replicas.cut import NotByExample, cut_of
from gradtwin.backend.replicas.sharded import sharded
from gradtwin.backend.tensorflow_side import resolve
from gradtwin.twins.twin import Twin


def has_examples(twin: Twin) -> bool:
    """Whether a twin's batch can be cut so that the losses of the shards combine into its loss."""
    params, batch = twin.point()
    named = dict(zip(twin.batch_names(batch), batch, strict=True))
    try:
        sharded(resolve(twin.reference), params, named, cut_of(named), twin.reduction)
    except NotByExample:
        return False
    return True

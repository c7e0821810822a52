"""Which twins have a batch of examples that can be cut."""

from gradtwin.backend.replicas.cut import NotByExample, cut_of
from gradtwin.backend.replicas.sharded import sharded
from gradtwin.backend.tensorflow_side import resolve
from gradtwin.twins.twin import Twin


def has_examples(twin: Twin) -> bool:
    """Whether a twin's batch can be cut, so that its loss is put together from the shards'."""
    params, batch = twin.point()
    named = dict(zip(twin.batch_names(batch), batch, strict=True))
    try:
        sharded(resolve(twin.reference), params, named, cut_of(named), twin.reduction)
    except NotByExample:
        return False
    return True

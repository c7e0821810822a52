"""The names of the routes to TensorFlow's gradient, for what starts without TensorFlow; `backend` takes them.

tape         tf.GradientTape, operation by operation (eager)
gradients    tf.gradients, in a traced graph
xla          tf.GradientTape in a function compiled by XLA
mirrored     tf.distribute.MirroredStrategy on two logical devices of the CPU
multiworker  tf.distribute.MultiWorkerMirroredStrategy in two processes
"""

ROUTES = ("tape", "gradients", "xla")  # all of them, if none is asked for
PARALLEL_ROUTES = ("mirrored", "multiworker")

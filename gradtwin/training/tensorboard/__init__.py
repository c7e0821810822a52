"""What a training leaves for TensorBoard, and TensorBoard itself."""

from gradtwin.training.tensorboard.tensorboard import launch

__all__ = ["launch"]

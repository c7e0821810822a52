"""What a training leaves for TensorBoard, and TensorBoard itself."""

from gradtwin.boards.tensorboard import launch

__all__ = ["launch"]

"""The options. Each is declared once; the command line, its help and the checks follow."""

from pydantic import Field

from mlzoo import Config


class ModelConfig(Config):
    """Options of the model."""

    hidden: int = Field(16, gt=0, description="hidden units")
    epochs: int = Field(20, gt=0, description="passes over the training set")
    batch_size: int = Field(50, gt=0, description="samples a step")
    learning_rate: float = Field(0.02, gt=0, description="of Adam")


class ClusterOptions(Config):
    """Options of the dataset."""

    samples: int = Field(400, ge=8, description="points in each split")
    spread: float = Field(0.5, gt=0, description="standard deviation around each corner")

"""Cross-encoders on ImageCoDe: from descriptions and their images to a score for each image (Krojer et al.
2022, Section 5).

b: descriptions, k: images that each chooses among, P = b k, C: width of what the poolers give.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from mlzoo_imagecode.config import Variant
from mlzoo_imagecode.context_module import PLACES, ContextModule
from mlzoo_imagecode.cross.encoder import CrossEncoder, Given, Pooled, initialise
from mlzoo_imagecode.cross.heads import TASK, PretrainingHeads, fused
from mlzoo_imagecode.cross.scheme import CONTEXT_HEADS, Scheme

FUSED_DROPOUT = 0.1


class CrossNetwork(nn.Module):
    """A cross-encoder and the head of a variant.

    Args:
        scheme: the encoder's build.
        variant: ``zero-shot`` scores by the alignment head of pre-training; ``nocontra`` and ``contra`` by
            one linear layer, and differ in their loss; ``contextual`` by a module over all images of a
            description.
        layers: of the contextual module.
        add_input: whether the module's input is added to its output.
        temporal: whether the module has embeddings of places.
        feed_forward: hidden width of the module; that of the encoder's text stream if not given.
        dropout: of fused pairs and of the module.
        places: images of the largest set.
        once_in_training: see :class:`~mlzoo_imagecode.cross.encoder.CrossEncoder`.

    Weights begin as published: N(0, 0.02) for encoder and linear head, PyTorch's own for the module, which is
    made after them, Xavier-uniform for the heads of pre-training.
    """

    def __init__(
        self,
        scheme: Scheme,
        variant: Variant,
        *,
        layers: int = 2,
        add_input: bool = True,
        temporal: bool = True,
        feed_forward: int | None = None,
        dropout: float = FUSED_DROPOUT,
        places: int = PLACES,
        once_in_training: bool = True,
    ) -> None:
        super().__init__()
        self.variant, self.dropout = variant, dropout
        self.bert = CrossEncoder(scheme, once_in_training=once_in_training)
        if variant == "zero-shot":
            self.cls = PretrainingHeads(scheme)
        elif variant == "contextual":
            self.context = ContextModule(
                scheme.pooled,
                add_input=add_input,
                temporal=temporal,
                layers=layers,
                heads=CONTEXT_HEADS,
                feed_forward=feed_forward or scheme.text.feed_forward,
                activation=scheme.text.activation,
                dropout=dropout,
                places=places,
            )
        else:
            self.clfs_dict = nn.ModuleDict({TASK: nn.Linear(scheme.pooled, 1)})
            initialise(self.clfs_dict, scheme.initial_range)

    def forward(self, given: Given) -> Tensor:
        """Logits [b, k]: of ``zero-shot`` log p / (1 - p) for the p that they belong together, in the order
        of p and without its ties near 1."""
        pairs = given.places.shape
        pooled = functional.dropout(self.pairs(given), self.dropout, self.training)  # [P, C]
        if self.variant == "zero-shot":
            scores = self.cls(pooled)  # [P, 2]
            odds: Tensor = scores[:, 0] - scores[:, 1]  # [P]
            return odds.view(pairs)
        if self.variant == "contextual":
            x0 = pooled.view(*pairs, -1)  # [b, k, C]
            return self.context.scored(x0, given.positions, given.temporal)
        logits: Tensor = self.clfs_dict[TASK](pooled)  # [P, 1]
        return logits.view(pairs)

    def pairs(self, given: Given) -> Tensor:
        """[P, C], fused, before dropout."""
        pooled: Pooled = self.bert(given)
        return fused(pooled, self.bert.scheme.fusion)

    def alignment(self, given: Given) -> Tensor:
        """Scores [P, 2] of the alignment head (``zero-shot``)."""
        return self.cls(self.pairs(given))  # type: ignore[no-any-return]

    def masked_words(self, given: Given) -> Tensor:
        """Scores [P, T, V] of the words at each place (``zero-shot``)."""
        table = self.bert.embeddings.word_embeddings.weight
        return self.cls.predictions(self.bert.streams(given).text, table)  # type: ignore[no-any-return]

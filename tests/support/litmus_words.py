"""Litmus tests written in words: operations with semicolons between them."""

from wavetank.sim import LITMUS_OPS, LitmusArgument, LitmusOp, LitmusTest


def ops(text: str) -> tuple[LitmusOp, ...]:
    """Return the operations of such a text as ``create f i1; append i1 a``."""
    return tuple(_op(*each.split()) for each in text.split(";") if each.strip())


def litmus(program: str, *, setup: str = "") -> LitmusTest:
    return LitmusTest(id="by-hand", setup=ops(setup), program=ops(program), states={})


def _op(name: str, *words: str) -> LitmusOp:
    kinds = LITMUS_OPS[name]
    arguments = (
        int(word) if kind is LitmusArgument.BLOCK else word
        for word, kind in zip(words, kinds, strict=True)
    )
    return LitmusOp(name, tuple(arguments))

"""What a crash may leave: durable content and pending ops under a profile, and any legal image.

General layout, from the bottom up::

    tearing.py         what a device does below a block
    _apply.py          micro-ops, whole or torn, put into an image
    _tears.py          every way to tear a write
    _forgetting.py     the same where a truncation frees what it cuts off
    _unwritten.py      blocks that a file shows and nobody wrote
    _op_order.py       which pending ops come before which others
    _pending_index.py  the pending ops by what a sync names
    pending.py         durable image and pending ops under a profile; any legal image
    settling.py        Settling: what a log leaves of which nothing is left pending
    closed_sets.py     every legal set of pending ops
    forking.py         images chosen by what is read of them, where they are too many
    representatives.py sets that stand for what was done alike, where they are too many
    crash_images.py    which legal images are looked at

Start reading at pending.py.
"""

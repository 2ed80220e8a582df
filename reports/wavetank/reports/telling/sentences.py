"""What a finding comes to, in sentences as a person would say them, made from its data.

`first_sentence` says what was lost and for want of what. `chain_sentences` tell the way from the
promise to the loss, `cure_sentence` what would have kept it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from wavetank.scenarios import (
    Action,
    Breach,
    BrokenPromise,
    Chain,
    Cure,
    CureKind,
    LostWork,
    PromiseKind,
    Violation,
)

__all__ = ["chain_sentences", "cure_sentence", "first_sentence"]

_MOST_LOST: Final = 3
_EMPTIED: Final = "size 0 of "
_SHOWN: Final = 24
_LONG_WORD: Final = re.compile(r"[^\s/]{65,}")
"""Longer than a path's part or an id is, as a rule."""
_LONGEST: Final = 160
"""Characters of what an invariant says."""


def first_sentence(violation: Violation) -> str:
    """Return what was promised and is broken, and why, in one sentence.

    >>> from wavetank.scenarios import Action, Breach, BrokenPromise, Chain, LostWork, PromiseKind
    >>> vote = BrokenPromise(
    ...     kind=PromiseKind.VOTE, breach=Breach.GONE, term=1, voted_for="node-d", came="term 0"
    ... )
    >>> rename = LostWork(
    ...     action=Action.RENAMED,
    ...     path="/store/state.json",
    ...     source="/store/state.json.tmp",
    ...     text="the rename of /store/state.json.tmp to /store/state.json",
    ...     needs="/store",
    ...     step=1,
    ...     by="step 1",
    ...     acknowledged=True,
    ... )
    >>> chain = Chain(
    ...     broken=vote,
    ...     step=1,
    ...     step_text="save state: term 1, vote for node-d",
    ...     returned=True,
    ...     promised_in=(1, "save state: term 1, vote for node-d"),
    ...     lost=(rename,),
    ... )
    >>> what, why = _sentence(chain, "").split(": ")
    >>> what
    'The vote for node-d in term 1 was acknowledged and is gone'
    >>> why
    'state.json was renamed but its directory was never synced'
    """
    if violation.chain is None:
        return _readable(_capital(violation.summary))
    return _readable(_sentence(violation.chain, violation.summary))


def _sentence(chain: Chain, summary: str) -> str:
    what = _breach(chain, summary)
    why = _reason(chain)
    return f"{_capital(what)}: {why}" if why else _capital(what)


def chain_sentences(violation: Violation) -> tuple[str, ...]:
    """Return the way from the promise to the loss, a sentence each, in order."""
    chain = violation.chain
    return () if chain is None else tuple(_links(chain, violation))


def cure_sentence(violation: Violation) -> str:
    """Return what would have kept the promise, as far as it was looked for."""
    chain = violation.chain
    if chain is None or chain.cure is None:
        return violation.cure or "no single sync would have prevented it"
    return _cure(chain.cure, chain)


# What was broken


def _breach(chain: Chain, summary: str) -> str:
    broken = chain.broken
    if broken is None:
        return summary
    told = _told_breach(broken, chain)
    if chain.is_of_new_work:
        return f"after a crash the store took new work, and then {told}"
    return told


def _told_breach(broken: BrokenPromise, chain: Chain) -> str:
    name, is_many = _subject(broken)
    be, have = ("are", "were") if is_many else ("is", "was")
    is_promised = chain.promised_in is not None or chain.is_of_new_work
    seen = "shown by the opened store" if chain.killed or chain.recoveries else "there before"
    seen = "shown to a caller" if chain.shown_early else seen
    promised = f"{name} {have} {'acknowledged' if is_promised else seen}"
    if broken.kind is PromiseKind.STORE:
        if broken.breach is Breach.REFUSED:
            return f"the store does not open any more ({broken.came})"
        return "the store came back with parts of different moments"
    by_breach = {
        Breach.GONE: f"{promised} and {be} gone",
        Breach.RETURNED: f"{name} had been removed, which was acknowledged, and came back",
        Breach.INVENTED: f"{broken.came or name} came back, which nobody had ever saved",
        Breach.SPLIT: f"of {name} only a part came back",
        Breach.MIXED: f"{name} came back with {broken.came or 'data that are not its own'}",
    }
    altered = f", and {broken.came} came back" if broken.came else " and came back altered"
    return by_breach.get(broken.breach, f"{promised}{altered}")


def _subject(broken: BrokenPromise) -> tuple[str, bool]:
    """Return what a promise is about, and whether that is many."""
    first, last = broken.first, broken.last
    if broken.kind is PromiseKind.VOTE:
        vote = f"the vote for {broken.voted_for} in " if broken.voted_for else ""
        return f"{vote}term {broken.term}", False
    if broken.kind is PromiseKind.SNAPSHOT:
        return "the snapshot" if first is None else f"the snapshot of index {first}", False
    if broken.kind is PromiseKind.BATCH:
        return f"the batch of entries {first}..{last}", False
    if first is None:
        return "the log", False
    return (f"entry {first}", False) if first == last else (f"entries {first}..{last}", True)


# Why


def _reason(chain: Chain) -> str:
    if not chain.crashed:
        return "no crash is needed, the running store itself was wrong"
    if chain.is_of_reading:
        return "what the crash left was legal, and recovery made this of it"
    if not chain.lost:
        return _nothing_lost(chain)
    lost = chain.lost[0]
    if lost.torn:
        return f"only a part of what was written to {_file(lost.path)} reached the disk"
    return _missing_sync(lost, chain)


def _missing_sync(lost: LostWork, chain: Chain) -> str:
    """Return what was not synced, and what that meant."""
    done, whose = _done(lost), "its directory" if _is_name(lost) else "it"
    if lost.failed_sync:
        return f"{done}, a sync of {whose} failed, and the store went on"
    if lost.renamed_to:
        new = _file(lost.renamed_to)
        return f"{_file(lost.path)} was renamed to {new} before its bytes were synced"
    if lost.acknowledged:
        when = f"in step {lost.synced_in}"
        when = "afterwards" if lost.step in {None, lost.synced_in} else when
        late = "never synced" if lost.synced_in is None else f"synced only {when}"
        return f"{done} but {whose} was {late}"
    if chain.killed:
        return f"{done}, the process was killed, and the recovery that showed it did not sync it"
    if lost.outlived_by:
        later = _plain(lost.outlived_by)
        return f"{done}, and {whose} was not synced before later work, which was kept: {later}"
    return f"{done} and {whose} was not synced yet when the power went"


def _nothing_lost(chain: Chain) -> str:
    if chain.is_of_new_work:
        return "nothing more was lost, so what it had recovered was already wrong"
    if chain.recoveries:
        return "the power went again inside the recovery, in the middle of its repair"
    if chain.next_call:
        return (
            f"the power went in the middle of step {chain.step}, before {_plain(chain.next_call)}, "
            f"and the files as they stood then are not taken for a complete store"
        )
    return "nothing was lost, so what had been written was already wrong after a restart"


def _done(lost: LostWork) -> str:
    verb = {Action.RESIZED: "cut off", Action.CHANGED: "changed"}.get(
        lost.action, lost.action.value
    )
    return f"{_file(lost.path)} was {verb}"


def _is_name(lost: LostWork) -> bool:
    return lost.action in {Action.CREATED, Action.RENAMED, Action.REMOVED}


# The chain


def _links(chain: Chain, violation: Violation) -> Iterator[str]:
    yield _promise(chain)
    if not chain.crashed:
        yield f"Seen: after step {chain.step} ('{chain.step_text}'), without a crash."
        yield f"Broken: {violation.invariant}: {_short(violation.summary)}."
        return
    for lost in chain.lost[:_MOST_LOST]:
        yield f"Written: {_did(lost)}; {_fate(lost)}."
    if len(chain.lost) > _MOST_LOST:
        yield f"Written: {len(chain.lost) - _MOST_LOST} more of the kind."
    yield from _cuts(chain)
    yield _loss(chain)
    opened = "" if _is_refusal(chain) else "the store opened on that; "
    yield f"Recovered: {opened}{_short(violation.summary)} ({violation.invariant})."


def _promise(chain: Chain) -> str:
    if chain.promised_in is not None:
        step, text = chain.promised_in
        return f"Promised: step {step} ('{text}') returned."
    if chain.is_of_new_work:
        return (
            f"Recovered: after a power cut during step {chain.step} ('{chain.step_text}') the "
            f"store opened and took new work, which returned."
        )
    if chain.shown_early:
        return "Shown: a task was told of work of another that had not returned."
    done = "Done" if chain.returned else "Under way"
    return f"{done}: step {chain.step} ('{chain.step_text}')."


def _did(lost: LostWork) -> str:
    by = lost.by
    if lost.action is Action.RENAMED:
        return f"{by} renamed {lost.source} to {lost.path}"
    if lost.action is Action.WRITTEN:
        return f"{by} wrote {lost.text}"
    verbs = {Action.CREATED: "created", Action.REMOVED: "removed", Action.RESIZED: "emptied"}
    verb = verbs.get(lost.action, "changed")
    return f"{by} {verb} {lost.path}"


def _loss(chain: Chain) -> str:
    if not chain.lost:
        return "Lost: nothing; the disk holds all that had been written."
    lost = chain.lost[0]
    if lost.torn:
        return f"Lost: of {lost.text} a part."
    more = f", and {len(chain.lost) - 1} more" if chain.lost[1:] else ""
    return f"Lost: {_plain(lost.text)}{more}."


def _is_refusal(chain: Chain) -> bool:
    return chain.broken is not None and chain.broken.breach is Breach.REFUSED


def _fate(lost: LostWork) -> str:
    sync = f"a sync of {'the directory ' if _is_name(lost) else ''}{lost.needs}"
    if lost.failed_sync:
        return f"{sync} failed"
    if lost.synced_in is not None and lost.synced_in == lost.step:
        return f"{sync} was to come later in {lost.by}"
    if lost.synced_in is not None:
        return f"{sync} came only afterwards, in step {lost.synced_in}"
    return f"{sync} never came"


def _cuts(chain: Chain) -> Iterator[str]:
    during = "after" if chain.returned else "during"
    at = f"{during} step {chain.step} ('{chain.step_text}')"
    before = f", before {_plain(chain.next_call)}" if chain.next_call else ""
    if chain.killed:
        yield f"Killed: the process, {at}; the store was opened again."
        yield "Power cut: in or after that recovery."
    elif not chain.is_of_new_work:
        yield f"Power cut: {at}{before}."
    if chain.recoveries:
        where = "the recovery" if chain.recoveries == 1 else f"{chain.recoveries} recoveries"
        yield f"Power cut again: inside {where}."
    if chain.is_of_new_work:
        yield "Power cut again: after the new work."


# The cure


def _cure(cure: Cure, chain: Chain) -> str:
    if cure.kind is CureKind.SYNC:
        return _sync(cure)
    if cure.kind is CureKind.NONE and not chain.lost:
        return "no sync: nothing was lost; what is written, or how it is read, has to change"
    words = _INSTEAD[cure.kind]
    if cure.kind is CureKind.COMMIT_POINT and "," not in cure.target:
        words = _ONE_RECORD
    elif cure.kind is CureKind.COMMIT_POINT and cure.moved:
        words += _ENOUGH_HERE
    return words.format(
        by=cure.by,
        target=cure.target,
        file=_file(cure.target),
        moved=_plain(cure.moved),
        after=_plain(cure.after),
    )


def _sync(cure: Cure) -> str:
    syncs = (cure, *cure.also)
    places = [
        f"{'the directory ' if each.is_directory else ''}{each.target} after {_plain(each.after)} "
        f"in {each.by}"
        for each in syncs
    ]
    added = sum(each.added for each in syncs)
    cost = "one sync more" if added == 1 else f"{added} syncs more"
    sure = (
        "no image of that crash point shows the failure then"
        if cure.is_verified
        else "this image is impossible then; others were not looked at"
    )
    return f"sync {', and '.join(places)} ({cost} in this run; {sure})"


_INSTEAD: Final = {
    CureKind.ORDER: "no sync more, but another order: in {by}, let {moved} come only after {after}",
    CureKind.COMMIT_POINT: "no sync, and no order: {by} publishes {target} one after the other, "
    "and a crash between leaves one new and one old. They lack a commit point: write all under new "
    "names, sync them, and let one last rename, or one checksummed record that names them all, "
    "make them count together",
    CureKind.NEW_FILE: "no sync: {by} changes {target} in place, and a crash can leave any part of "
    "that; write a new file beside it, sync it, rename it over {file}, and sync the directory",
    CureKind.CHECKSUM: "no sync: what {by} appends to {target} can always reach the disk in part; "
    "give each record its length and a checksum, and drop an end that does not match",
    CureKind.READING: "no sync: a crash may leave this by right; how recovery reads it, or cleans "
    "up, has to change",
    CureKind.NONE: "no single sync, and no order of what is there, would have prevented it",
}
_ENOUGH_HERE: Final = (
    ". (In this run, where no older ones are there, it is enough that {moved} comes after {after}.)"
)
_ONE_RECORD: Final = (
    "no sync, and no order: {by} writes to {target} by more than one call, and a crash between "
    "leaves a part. It lacks a commit point: let one checksummed record hold all that counts "
    "together, or stand behind it as its end"
)


def _file(path: str) -> str:
    return path.rpartition("/")[2] or path


def _plain(text: str) -> str:
    """Return an op in words as far as a sentence needs them."""
    if text.startswith(_EMPTIED):
        return f"the emptying of {text.removeprefix(_EMPTIED)}"
    return text.removesuffix(" over what was there")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."


def _readable(sentence: str) -> str:
    """Return a sentence whose longest words, such as the name of a node, are cut short."""
    return _LONG_WORD.sub(lambda word: f"{word[0][:_SHOWN]}... ({len(word[0])} letters)", sentence)


def _capital(text: str) -> str:
    """Return a sentence with a capital at its beginning, unless it begins with a name."""
    first = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if first.isalpha() else text

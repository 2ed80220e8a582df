"""Reports as one HTML file each, that need no network.

    blocks.py         what a page is made of: facts, sections, matrices, strips, tables
    finding.py        one finding: promise, breach, timeline, disk, reason, cure
    timeline.py       what the disk was told, event by event; graph.py draws the lines beside it
    files.py          the directory before and after, the bytes that differ
    history.py        calls beside one another, as lanes
    findings.py       the findings of a run: one of each kind drawn, the others as a list
    run_page.py       the page of `wavetank run`; each other command has one like it
    failure_pages.py  findings of Raft stores, and one of them alone
    rendering.py      a page as HTML, from templates/

Values come first, looks last: nothing but templates/ knows HTML.
"""

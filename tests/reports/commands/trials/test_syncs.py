"""`wavetank syncs`: a table of all syncs, and what is lost without each that is needed."""

import json
from pathlib import Path

import jsonschema
import pytest
from console import wavetank

from wavetank.reports.commands.trials.syncs import syncs_text
from wavetank.reports.documents import schema, to_text
from wavetank.reports.documents.syncs import syncs_document
from wavetank.scenarios import find_store
from wavetank.scenarios.mutants import Trial, run_syncs
from wavetank.scenarios.mutants.bug_families.small_steps import append, workload

APPENDS = (Trial(workload=workload("appends", append(1), append(2))),)


def test_the_answer_is_told_as_a_table_and_as_a_document() -> None:
    found = run_syncs(find_store("raftlock-published"), APPENDS)
    [sync] = found.syncs
    assert sync.image is not None

    text = syncs_text(found, "1.0")
    assert "  append_log_entries  log.dat" in text
    assert f"{sync.image.case.id}:\n  Entry 1 was acknowledged and is gone: log.dat was " in text
    made = json.loads(to_text(syncs_document(found, "1.0")))
    jsonschema.validate(made, schema("syncs"))
    assert made["syncs"][0]["lost"]["id"] == sync.image.case.id


def test_a_store_whose_filesystem_is_not_its_sites_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pysyncobj")
    done = wavetank("syncs", "--backend", "pysyncobj", cwd=tmp_path)
    assert done.returncode == 2
    assert "expected a store that declares" in done.stderr

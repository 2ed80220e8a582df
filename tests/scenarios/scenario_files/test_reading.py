"""What a file must not say is told with its path, what was expected, and the nearest match."""

import pytest

from wavetank.scenarios import ScenarioFileError, scenario_from_toml

STEPS = "steps = [{append = 1}]\n"
TASK = '[[tasks]]\nname = "a"\n'


def refused(text: str) -> ScenarioFileError:
    with pytest.raises(ScenarioFileError) as raised:
        scenario_from_toml(text, file="my.toml", name="my")
    assert raised.value.file == "my.toml"
    return raised.value


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        (f"{STEPS}stpes = 1", "stpes", "steps"),
        ("steps = [{apend = 3}]", "steps[0].apend", "append"),
        (
            "steps = [{repeat = 2, steps = [{append = 1}, {see_trm = 1}]}]",
            "steps[0].steps[1].see_trm",
            "see_term",
        ),
        (
            "steps = [{append = 1}, {append_sizes = [1, {end_at = 512, pst = 1}]}]",
            "steps[1].append_sizes[1].pst",
            "past",
        ),
        ("steps = [{append = {form = 1, to = 2}}]", "steps[0].append.form", "from"),
        (
            "steps = [{choose = [{weight = 1, appendd = 1}]}]",
            "steps[0].choose[0].appendd",
            "append",
        ),
        (
            "steps = [{take_snapshot = {behnd = 1}}]",
            "steps[0].take_snapshot.behnd",
            "behind",
        ),
        (
            "steps = [{read_back = 3, evry = 2}]",
            "steps[0].evry",
            "every",
        ),
        (f'{STEPS}profiles = ["posiks"]', "profiles[0]", "posix"),
        (
            f'{STEPS}own_profiles = [{{name = "mine", rename_atomc = true}}]',
            "own_profiles[0].rename_atomc",
            "rename_atomic",
        ),
        (f'{STEPS}invariants = ["O2", "O77"]', "invariants[1]", "O7"),
        (
            f"{STEPS}[contract]\nappend_durable = false",
            "contract.append_durable",
            "appends_durable",
        ),
        (f'{STEPS}after_failure = "rety"', "after_failure", "retry"),
        ("[cluster]\nnods = 3", "cluster.nods", "nodes"),
        (f'{STEPS}[family]\noperations = 2\nalphabet = ["vot"]', "family.alphabet[0]", "vote"),
        (
            f"{TASK}steps = [{{read = {{start = 1, end = 2}}, timeout = 1}}]",
            "tasks[0].steps[0].timeout",
            "timeout_s",
        ),
        (f"{TASK}steps = [{{append = 1}}]", "tasks[0].steps[0].append", "append_entries"),
        (f'{STEPS}options = ["json_log", "chunk_sise=3"]', "options[1]", "chunk_size"),
    ],
)
def test_an_unknown_word_is_told_with_its_path_and_the_nearest(
    text: str, key: str, nearest: str
) -> None:
    error = refused(text)
    assert error.key == key
    assert str(error).startswith(f"my.toml: {key}: ")
    assert str(error).endswith(f"; nearest match: {nearest}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "steps = [{take_snapshot = {behnd = 1}}]",
            (
                "my.toml: steps[0].take_snapshot.behnd: expected one of the keys behind, size, "
                "got 'behnd'; nearest match: behind"
            ),
        ),
        (
            'steps = [{append = "3"}]',
            (
                "my.toml: steps[0].append: expected a whole number, or a table with from or "
                "by_round, got '3' (str)"
            ),
        ),
        (
            "steps = [{append = true}]",
            (
                "my.toml: steps[0].append: expected a whole number, or a table with from or "
                "by_round, got True (bool)"
            ),
        ),
        (
            "steps = [{append = {from = 3, to = 2}}]",
            "my.toml: steps[0].append: to: expected a number >= 3, got 2",
        ),
        (
            "steps = [{append = 0}]",
            "my.toml: steps[0].append: count: expected numbers >= 1, got 0",
        ),
        (
            "steps = [{append = 1, kill = true}]",
            "my.toml: steps[0]: expected one step, got ['append', 'kill']; each is a table",
        ),
        ("steps = [{campaign = 1}]", "my.toml: steps[0].campaign: expected true, got 1 (int)"),
        (
            "steps = [{repeat = 2}]",
            "my.toml: steps[0].steps: expected the steps to repeat, got none",
        ),
        (
            "steps = {append = 1}",
            "my.toml: steps: expected an array, got {'append': 1} (dict)",
        ),
        ("seeds = [1]", "my.toml: steps: expected steps, tasks, pairs or a cluster, got none"),
        (
            'steps = [{append_entries = [{index = 0, term = 1, command = "x"}]}]',
            (
                "my.toml: steps[0].append_entries[0].index: LogEntry.index: expected "
                "1 <= value <= 2**64-1 but got 0"
            ),
        ),
        (
            "steps = [{append_entries = [{index = 1, term = 1}]}]",
            "my.toml: steps[0].append_entries[0].command: expected a value, got none",
        ),
        (
            'steps = [{save_snapshot = {index = 1, term = 1, data = {hex = "0g"}}}]',
            (
                "my.toml: steps[0].save_snapshot.data.hex: expected pairs of hexadecimal digits, "
                "got '0g' (str)"
            ),
        ),
        (
            "steps = [{append = 1}, {conflict = 1}, {append_sizes = [{end_at = 512}]}]",
            (
                "my.toml: steps: end_at: expected a log that was only appended to since it was "
                "made or replaced by a snapshot, got one that was cut or compacted"
            ),
        ),
        (
            f'{STEPS}options = ["chunk_size=3"]',
            (
                "my.toml: options[0]: options: FileStorageOptions.chunk_size: expected "
                "512 <= value <= 1073741824 but got 3 (int)"
            ),
        ),
        (f"{STEPS}seeds = 3", "my.toml: seeds: expected an array, got 3 (int)"),
        (f"{STEPS}seeds = [-1]", "my.toml: seeds[0]: expected a whole number >= 0, got -1 (int)"),
        (
            f'{STEPS}depth = "fix"',
            "my.toml: depth: expected a whole number >= 0 or \"fixpoint\", got 'fix' (str)",
        ),
        (
            f"{STEPS}max_images = 0",
            "my.toml: max_images: expected a whole number >= 1, got 0 (int)",
        ),
        (
            f'{STEPS}directory = "/elsewhere"',
            "my.toml: directory: expected /store or a path below it, got '/elsewhere' (str)",
        ),
        (
            f'{STEPS}name = "a b"',
            "my.toml: name: expected a name of letters, digits, -, _ and ., got 'a b' (str)",
        ),
        (
            f"{STEPS}[contract]\nappends_durable = 0",
            "my.toml: contract.appends_durable: expected true or false, got 0 (int)",
        ),
        ("[cluster]\nloss = 1.5", "my.toml: cluster.loss: 'loss' must be <= 1.0: 1.5"),
        ("[cluster]\nnodes = 4", "my.toml: cluster.nodes: nodes: expected an odd number but got 4"),
        (
            f"{STEPS}[cluster]\nnodes = 3",
            "my.toml: steps: expected no such key beside cluster, got both",
        ),
        (
            f'{STEPS}faults = ["fsync: fail EIO"]\n{TASK}steps = [{{read_bounds = true}}]',
            "my.toml: faults: expected no such key beside tasks, got both",
        ),
        (
            f"{STEPS}after = [{{read_bounds = true}}]",
            "my.toml: after: expected tasks or pairs, too, got none",
        ),
        (
            f"{TASK}steps = []\n{TASK}steps = []",
            "my.toml: tasks[1].name: expected another name, got 'a'",
        ),
    ],
)
def test_a_wrong_value_is_told_with_its_path_and_what_came(text: str, message: str) -> None:
    assert str(refused(text)) == message


def test_a_line_that_is_no_fault_is_told_in_the_words_of_the_language() -> None:
    error = refused(f'{STEPS}faults = ["fsync log.dat: fial EIO"]')
    assert error.key == "faults[0]"
    assert "nearest match: fail, at column 16 of 'fsync log.dat: fial EIO'" in str(error)


def test_a_text_that_is_no_toml_is_told_as_that() -> None:
    assert str(refused("steps")).startswith("my.toml: expected TOML, got ")


def test_the_name_is_the_files_unless_it_says_another() -> None:
    assert scenario_from_toml(STEPS, name="my").name == "my"
    assert scenario_from_toml(f'name = "mine"\n{STEPS}', name="my").name == "mine"
    with pytest.raises(ScenarioFileError, match=r"^\(text\): name: expected a value, got none$"):
        scenario_from_toml(STEPS)


def test_numbers_are_drawn_or_go_by_the_round() -> None:
    scenario = scenario_from_toml("""
        name = "rounds"
        steps = [
            {repeat = 4, steps = [
                {append_sizes = [{by_round = [5, 6, 7]}]},
                {every = 2, steps = [{append_sizes = [{times = 2, of = [1, 2]}, 3]}]},
                {read_back = 1, rounds = [1, 4]},
            ]},
        ]
    """)
    told = [
        [len(entry.command) for entry in step.entries] if hasattr(step, "entries") else str(step)
        for step in scenario.workload(0).steps[1:]
    ]
    assert told == [
        *([5], "read entries 1..1", [6], [1, 2, 1, 2, 3], [7], [5], [1, 2, 1, 2, 3]),
        "read entries 14..14",
    ]

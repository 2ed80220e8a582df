"""The options of `wavetank run`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from wavetank.reports.arguments.choices import UnknownChoiceError
from wavetank.reports.commands.options import (
    available_workers,
    crash_depth,
    image_limit,
    profile_option,
    report_option,
    seed_range,
    worker_count,
)

if TYPE_CHECKING:  # what stands here is heavy; the function that needs it imports it
    from wavetank.reports.commands.running.run_execution import RunRequest
    from wavetank.reports.commands.running.settings import Settings

__all__ = ["run_command"]

_SETTINGS_FILE: Final = Path("pyproject.toml")

_SCENARIO_SETTINGS: Final = {
    "seed": "seeds",
    "seeds": "seeds",
    "profile": "profiles",
    "backend": "store",
    "max_images": "max_images",
    "depth": "depth",
    "schedules": "schedules",
    "cluster_runs": "cluster_runs",
}
"""What a scenario file may say, too, by option."""

_HELP: Final = """Run scenarios and judge every state a crash may leave.

SCENARIO is a name, a shell pattern or a TOML file (docs/scenario-files.md); default: all but the
cluster-* scenarios, which take longer. What is given here wins over what a file says. Violations
are stored in .wavetank/failures for `wavetank replay`, and the newest runs in .wavetank/runs for
`wavetank recheck` and `wavetank diff`. Defaults can be set in [tool.wavetank] of
./pyproject.toml (seed, profile, backend, max-images, depth, workers, strict).

\b
Examples:
  wavetank run
  wavetank run mixed '*-snapshot' --profile posix --seeds 0:5
  wavetank run --backend raftlock-published -x
  wavetank run --profile all --depth fixpoint
  wavetank run 'concurrent-*' --schedules 5000
  wavetank run 'cluster-*' --cluster-runs 300
  wavetank run --options json_log,no_index_map --profile posix
  wavetank run mixed --fault 'fsync log.dat #3: fail EIO ext4'
  wavetank run my.toml mixed --seeds 0:3
  wavetank run --executor dask://10.0.0.7:8786 --seeds 0:1000
  wavetank run --seeds 0:1000 --resume
  wavetank run --report html=run.html,junit=run.xml,ndjson=run.ndjson
"""


@click.command("run", help=_HELP)
@click.argument("scenario", nargs=-1)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of every scenario.  [default: 0]")
@click.option(
    "--seeds",
    callback=seed_range,
    metavar="A:B",
    help="Run each scenario with the seeds A to B - 1.",
)
@profile_option(
    "Crash model, by name or TOML file; may be repeated; 'all' means every model that is not "
    "a control.  [default: sequential, ext4 and posix]",
)
@click.option(
    "--backend",
    metavar="NAME",
    help="The store under test: its name (wavetank list stores), or package.module:factory, where "
    "factory(site) opens it in site.directory.  [default: builtin]",
)
@click.option(
    "--options",
    multiple=True,
    metavar="NAME,...",
    help="Overrides of the store's options (`wavetank list options`), or OPTION=VALUE. If "
    "repeated, every scenario runs once with each set. 'pairwise' chooses a few sets that cover "
    "every pair of overrides.",
)
@click.option(
    "--fault",
    multiple=True,
    metavar="LINE",
    help="Fault to inject into the store's filesystem, in the language of docs/faults.md, while "
    "the steps run and during recoveries; may be repeated.",
)
@click.option(
    "--max-images",
    callback=image_limit,
    metavar="N|all",
    help="Recover at most N distinct images per scenario and profile.  [default: all]",
)
@click.option(
    "--depth",
    callback=crash_depth,
    metavar="N|fixpoint",
    help="Crash inside recoveries too, N times one inside the other, or until nothing new comes; "
    "from 1 on also kill the process, restart on the warm cache and then cut the power.  "
    "[default: 0]",
)
@click.option(
    "--schedules",
    type=click.IntRange(min=1),
    metavar="N",
    help="Run each scenario with tasks under N schedules, shared among the profiles.  "
    "[default: 516; 24 if no scenario is named]",
)
@click.option(
    "--cluster-runs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Run each cluster scenario N times, shared among the profiles.  [default: 36]",
)
@click.option(
    "--workers",
    callback=worker_count,
    metavar="N|auto",
    help="Processes; 1 runs everything in this one.  [default: auto]",
)
@click.option(
    "--executor",
    metavar="dask://HOST:PORT",
    help="Run on the workers of a dask cluster instead of processes here (docs/scale.md).",
)
@click.option(
    "--resume",
    "resumes",
    is_flag=True,
    help="Go on with the newest run of the same plan that was killed or interrupted.",
)
@click.option("-x", "stop_at_first", is_flag=True, help="The same as --max-failures 1.")
@click.option(
    "--max-failures",
    type=click.IntRange(min=1),
    help="Stop after the scenario, in the order of the run, with which N violations were found.",
)
@click.option(
    "--keep-going",
    is_flag=True,
    help="Judge every image of a scenario and profile that has failed. Without it as many are "
    "judged after the first violation as before it, and at least 500.",
)
@click.option(
    "--shrink/--no-shrink",
    "shrinks",
    default=True,
    help="Whether the first violation is made smaller: fewer steps, simpler values, fewer lost "
    "micro-ops. `wavetank shrink` does so with any.  [default: shrink]",
)
@click.option(
    "--check-determinism",
    is_flag=True,
    help="Run twice in new processes with different hash seeds; exit 3 if the digests differ.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json prints one document on stdout, everything else on stderr.",
)
@click.option(
    "--log",
    type=click.Choice(["none", "short"]),
    default="none",
    show_default=True,
    help="short shows every event in a line of its own on stderr, instead of the progress; "
    "docs/cli.md has the legend.",
)
@report_option("html", "junit", "ndjson", "markdown")
@click.option(
    "--strict/--no-strict",
    default=None,
    help="Exit 4 instead of 0 if the run is inconclusive or skipped legal images (complete=no).",
)
def run_command(
    *,
    scenario: tuple[str, ...],
    seed: int | None,
    seeds: range | None,
    profile: tuple[str, ...],
    backend: str | None,
    options: tuple[str, ...],
    fault: tuple[str, ...],
    max_images: int | None,
    depth: int | None,
    schedules: int | None,
    cluster_runs: int | None,
    workers: int | None,
    executor: str | None,
    resumes: bool,
    max_failures: int | None,
    output_format: str,
    log: str,
    reports: Mapping[str, Path],
    stop_at_first: bool,
    check_determinism: bool,
    keep_going: bool,
    shrinks: bool,
    strict: bool | None,
) -> None:
    from wavetank.faults import FaultSyntaxError
    from wavetank.reports.commands.running.run_execution import RunRequest, execute, plan_of
    from wavetank.reports.runs.cluster import ClusterError
    from wavetank.reports.runs.unfinished import ResumeError
    from wavetank.scenarios import OptionError, ScenarioFileError
    from wavetank.sim import ProfileFileError

    if seed is not None and seeds is not None:
        raise click.UsageError("expected --seed or --seeds, got both")
    if executor is not None and (workers is not None or check_determinism):
        other = "--check-determinism" if check_determinism else "--workers"
        raise click.UsageError(f"expected --executor or {other}, got both")
    if resumes and check_determinism:
        raise click.UsageError("expected --resume or --check-determinism, got both")
    settings = _settings()
    if seeds is None:
        one = seed if seed is not None else settings.seed or 0
        seeds = range(one, one + 1)
    request = RunRequest(
        scenarios=scenario,
        seeds=seeds,
        profiles=profile or settings.profile or (),
        backend=backend or settings.backend,
        options=options,
        faults=fault,
        max_images=settings.max_images if max_images is None else max_images or None,
        depth=settings.depth if depth is None else depth,
        workers=workers or settings.workers or available_workers(),
        max_failures=1 if stop_at_first else max_failures,
        check_determinism=check_determinism,
        keep_going=keep_going,
        shrinks=shrinks,
        schedules=schedules,
        cluster_runs=cluster_runs,
        as_json=output_format == "json",
        logs_events=log == "short",
        executor=executor,
        resumes=resumes,
        reports=reports,
        strict=strict if strict is not None else settings.strict or False,
        given=_given(),
    )
    try:
        plan = plan_of(request)
    except UnknownChoiceError as error:
        raise click.UsageError(_sourced(error, request, settings)) from error
    except (ProfileFileError, ScenarioFileError, OptionError, FaultSyntaxError) as error:
        raise click.UsageError(str(error)) from error
    try:
        code = execute(request, plan)
    except ClusterError as error:
        raise click.UsageError(f"--executor: {error}") from error
    except ResumeError as error:
        raise click.UsageError(f"--resume: {error}") from error
    click.get_current_context().exit(code)


def _given() -> frozenset[str]:
    """Return which settings of a scenario the command line gives, by their names there."""
    context = click.get_current_context()
    typed = {
        parameter
        for parameter in _SCENARIO_SETTINGS
        if context.get_parameter_source(parameter) is click.core.ParameterSource.COMMANDLINE
    }
    return frozenset(_SCENARIO_SETTINGS[parameter] for parameter in typed)


def _settings() -> Settings:
    from wavetank.reports.commands.running.settings import SettingsError, read_settings

    try:
        return read_settings(_SETTINGS_FILE)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error


def _sourced(error: UnknownChoiceError, request: RunRequest, settings: Settings) -> str:
    """Return the message of an error, with the file if the name comes from there."""
    for key in ("profile", "backend"):
        value = getattr(settings, key)
        asked = request.profiles if key == "profile" else request.backend
        if value is not None and value is asked and str(error).startswith(key):
            return f"{_SETTINGS_FILE}: tool.wavetank.{key}: {error}"
    return str(error)

"""The command line. A contract: commands, options, `--json` and exit statuses; the statuses are in `core.errors`.

This module only declares; the work is in `apps.commands`, imported when a command runs, so that `--help` is quick.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from corpusmith.apps import cli_serving
from corpusmith.apps.cli_options import Approve, Json, Policy, Workspace

app = typer.Typer(
    name="corpusmith",
    help="An autonomous data engineer for language-model data: one sentence in, a verified dataset out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
tools_app = typer.Typer(help="Run one tool by itself.", no_args_is_help=True)
data_app = typer.Typer(help="Look at datasets, and export them.", no_args_is_help=True)
model_app = typer.Typer(help="Trained models: register, promote, roll back, export.", no_args_is_help=True)
trace_app = typer.Typer(help="Send decision logs to Opik.", no_args_is_help=True)
app.add_typer(tools_app, name="tool")
app.add_typer(data_app, name="data")
app.add_typer(model_app, name="model")
app.add_typer(cli_serving.endpoint_app, name="endpoint")
app.add_typer(cli_serving.key_app, name="key")
app.add_typer(trace_app, name="trace")

RunArg = Annotated[str, typer.Argument(metavar="RUN", help="Run id, its beginning, or `last`.")]
ToolArg = Annotated[str, typer.Argument(metavar="NAME", help="Name of the tool, see `corpusmith tool list`.")]
RefArg = Annotated[str, typer.Argument(metavar="REF", help="Dataset, name@version, artifact id or run.")]
ModelArg = Annotated[str, typer.Argument(metavar="REF", help="name@version, name@alias, name or artifact id.")]
Why = Annotated[str, typer.Option("--why", help="For the record.")]


@app.command()
def run(
    request: Annotated[str, typer.Argument(help="What you want, in plain words.")],
    source: Annotated[list[str] | None, typer.Option("--source", help="File, folder or URL to read.")] = None,
    workspace: Workspace = None,
    planner: Annotated[str, typer.Option(help="rules (no model needed) or llm.")] = "rules",
    model: Annotated[str | None, typer.Option(help="Chat model of the llm planner, provider:name.")] = None,
    engine: Annotated[str, typer.Option(help="auto or local.")] = "auto",
    approve_: Approve = "ask",
    policy: Policy = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    name: Annotated[str | None, typer.Option(help="Name the result is published under.")] = None,
    max_minutes: Annotated[float | None, typer.Option(help="Time budget.")] = None,
    max_cost: Annotated[float | None, typer.Option(help="Money budget in USD.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show the brief and the plan; run nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Turn a request into a dataset that meets its gates."""
    from corpusmith.apps.commands import runs

    options = {
        "sources": source or [],
        "planner": planner,
        "model": model,
        "engine": engine,
        "approve": approve_,
        "policy": str(policy) if policy else None,
        "seed": seed,
        "name": name,
        "max_minutes": max_minutes,
        "max_cost": max_cost,
    }
    runs.run(request, options, plan, workspace, as_json)


@app.command()
def resume(
    run_id: RunArg,
    workspace: Workspace = None,
    max_minutes: Annotated[float | None, typer.Option(help="New time budget of the run.")] = None,
    max_cost: Annotated[float | None, typer.Option(help="New money budget of the run in USD.")] = None,
    as_json: Json = False,
) -> None:
    """Go on with a run that was stopped, killed, or waits for an approval."""
    from corpusmith.apps.commands import runs

    runs.resume(run_id, {"max_minutes": max_minutes, "max_cost": max_cost}, workspace, as_json)


@app.command(name="runs")
def list_runs(workspace: Workspace = None, as_json: Json = False) -> None:
    """List the runs of the workspace."""
    from corpusmith.apps.commands import records

    records.list_runs(workspace, as_json)


@app.command()
def show(run_id: RunArg, workspace: Workspace = None, as_json: Json = False) -> None:
    """Show a run: its brief, its decisions, its gates; also while it runs."""
    from corpusmith.apps.commands import records

    records.show_run(run_id, workspace, as_json)


@app.command()
def approve(
    run_id: RunArg,
    action: Annotated[str | None, typer.Option("--action", help="Which, when several wait.")] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Say yes to the action a run waits for."""
    from corpusmith.apps.commands import records

    records.answer(run_id, True, action, workspace, as_json)


@app.command()
def deny(
    run_id: RunArg,
    action: Annotated[str | None, typer.Option("--action", help="Which, when several wait.")] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Say no to the action a run waits for."""
    from corpusmith.apps.commands import records

    records.answer(run_id, False, action, workspace, as_json)


@app.command()
def report(run_id: RunArg, workspace: Workspace = None, as_json: Json = False) -> None:
    """Write the HTML report of a run anew and print its path."""
    from corpusmith.apps.commands import records

    records.report(run_id, workspace, as_json)


@app.command()
def recipe(run_id: RunArg, workspace: Workspace = None, as_json: Json = False) -> None:
    """Print the recipe of a run."""
    from corpusmith.apps.commands import records

    records.recipe(run_id, workspace, as_json)


@app.command()
def replay(
    recipe_file: Annotated[Path, typer.Argument(help="A recipe written by `corpusmith recipe`.")],
    source: Annotated[list[str] | None, typer.Option("--source", help="Other input for the first step.")] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Run a recipe again, with no planner and no model."""
    from corpusmith.apps.commands import runs

    runs.replay(recipe_file, source or [], workspace, as_json)


@app.command()
def why(
    row: Annotated[str, typer.Argument(metavar="ROW_ID", help="A row id, or any text that was in the input.")],
    dataset: Annotated[str, typer.Option(help="Dataset or run whose history is told.")] = "last",
    reveal: Annotated[bool, typer.Option("--reveal", help="Show personal data as it stands, locally.")] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Tell what happened to a row, step by step."""
    from corpusmith.apps.commands import data

    data.why(row, dataset, reveal, workspace, as_json)


@app.command()
def diff(
    left: RefArg,
    right: RefArg,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Compare two datasets: rows added, dropped, changed."""
    from corpusmith.apps.commands import data

    data.diff(left, right, workspace, as_json)


@app.command()
def ask(
    index: Annotated[str, typer.Argument(metavar="INDEX", help="Index that is asked: artifact id or its beginning.")],
    question: Annotated[str, typer.Argument(help="What you want to know, or to have written.")],
    model: Annotated[str | None, typer.Option(help="Model that answers; none = the passages are shown.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Write a text in the corpus's voice instead.")] = False,
    add: Annotated[list[str] | None, typer.Option("--add", help="File to write from.")] = None,
    k: Annotated[int, typer.Option("--k", min=1, max=50, help="Passages at most.")] = 4,
    filter_: Annotated[list[str] | None, typer.Option("--filter", help="FIELD=VALUE that passages must have.")] = None,
    mode: Annotated[str | None, typer.Option(help="sparse, dense or hybrid.")] = None,
    store: Annotated[str | None, typer.Option(help="Address of a Qdrant server that holds the index.")] = None,
    encoder: Annotated[Path | None, typer.Option(help="Folder of the index's encoder, if it has moved.")] = None,
    reranker: Annotated[Path | None, typer.Option(help="Folder of a cross-encoder that ranks again.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens of the answer at most.")] = 512,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Ask an index: the passages that speak of a question with their rows, or a model's answer from them."""
    from corpusmith.apps.commands import ask as command

    how = command.Asking(
        model, write, add or [], k, filter_ or [], mode, store, encoder, reranker, max_tokens
    )  # fmt: skip
    command.ask(index, question, how, workspace, as_json)


@app.command()
def doctor(workspace: Workspace = None, as_json: Json = False) -> None:
    """Check this installation and the workspace."""
    from corpusmith.apps.commands import doctor as command

    command.doctor(workspace, as_json)


@app.command(name="eval")
def evaluate_agent(
    out: Annotated[Path, typer.Option(help="Folder for corpora and workspaces; must not exist.")] = Path("eval"),
    rows: Annotated[int, typer.Option(help="Rows of each planted corpus.")] = 900,
    seed: Annotated[int, typer.Option(help="Seed of the damages.")] = 11,
    as_json: Json = False,
) -> None:
    """Judge the agent: three damaged corpora with planted truth, beside a fixed recipe and a random planner."""
    from corpusmith.apps.commands import evals

    evals.run(out, rows, seed, as_json)


app.command()(cli_serving.serve)
app.command()(cli_serving.deploy)


@tools_app.command(name="list")
def tool_list(workspace: Workspace = None, as_json: Json = False) -> None:  # noqa: ARG001 - every command takes it
    """List the tools."""
    from corpusmith.apps.commands import tools

    tools.list_tools(as_json)


@tools_app.command(name="schema")
def tool_schema(
    name: ToolArg,
    workspace: Workspace = None,  # noqa: ARG001 - every command takes it
    as_json: Json = False,
) -> None:
    """Print a tool's parameters as JSON schema."""
    from corpusmith.apps.commands import tools

    tools.schema(name, as_json)


@tools_app.command(name="run")
def tool_run(
    name: ToolArg,
    params: Annotated[Path | None, typer.Option(help="JSON or YAML file of parameters.")] = None,
    data: Annotated[list[str] | None, typer.Option("--data", help="Input dataset, or ROLE=DATASET.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    approve_: Approve = "ask",
    policy: Policy = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Run one tool. One that acts on the world, such as publish, needs an approval."""
    from corpusmith.apps.commands import tools

    tools.run_tool(name, params, data or [], seed, (approve_, policy), workspace, as_json)


@data_app.command(name="list")
def data_list(workspace: Workspace = None, as_json: Json = False) -> None:
    """List published datasets."""
    from corpusmith.apps.commands import data

    data.list_data(workspace, as_json)


@data_app.command(name="show")
def data_show(
    ref: RefArg,
    rows: Annotated[int, typer.Option(min=0, max=1000, help="Rows to show.")] = 3,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Show a dataset: its record and its first rows."""
    from corpusmith.apps.commands import data

    data.show_data(ref, rows, workspace, as_json)


@data_app.command(name="export")
def data_export(
    ref: RefArg,
    to: Annotated[Path, typer.Option(help="Folder to write; it must not exist.")],
    as_: Annotated[str, typer.Option("--as", help="parquet, jsonl or hf.")] = "parquet",
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Export a dataset."""
    from corpusmith.apps.commands import export

    export.export(ref, to, as_, workspace, as_json)


@model_app.command(name="list")
def model_list(workspace: Workspace = None, as_json: Json = False) -> None:
    """List registered models and what their aliases point at."""
    from corpusmith.apps.commands import models

    models.list_models(workspace, as_json)


@model_app.command(name="show")
def model_show(ref: ModelArg, workspace: Workspace = None, as_json: Json = False) -> None:
    """Show a model: its digests, its evaluations with their gates, every move of its aliases."""
    from corpusmith.apps.commands import models

    models.show_model(ref, workspace, as_json)


@model_app.command(name="register")
def model_register(
    artifact: Annotated[str, typer.Argument(metavar="ARTIFACT", help="Artifact id of a model.")],
    name: Annotated[str, typer.Option(help="Name it is a version of.")],
    why: Why = "",
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Make a model artifact the next version of a name."""
    from corpusmith.apps.commands import models

    models.register(artifact, name, why, workspace, as_json)


@model_app.command(name="promote")
def model_promote(
    ref: ModelArg,
    evaluation: Annotated[str, typer.Option(help="Artifact id of an evaluation of this very model.")],
    name: Annotated[str | None, typer.Option(help="Name, when the model is not registered yet.")] = None,
    gate: Annotated[list[str] | None, typer.Option(help="Absolute floor, like 'accuracy>=0.6'.")] = None,
    tolerance: Annotated[float, typer.Option(min=0, help="How much worse than the champion it may be.")] = 0.0,
    expected: Annotated[int | None, typer.Option(min=0, help="Version that is champion now; 0 = none.")] = None,
    why: Why = "promoted by hand",
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Make a model the champion of its name, if its evaluation passes every gate."""
    from corpusmith.apps.commands import models

    models.promote(ref, evaluation, name, (gate or [], tolerance, expected, why), workspace, as_json)


@model_app.command(name="rollback")
def model_rollback(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the model.")],
    why: Why = "rolled back by hand",
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Make the previous champion the champion again."""
    from corpusmith.apps.commands import models

    models.rollback(name, why, workspace, as_json)


@model_app.command(name="export")
def model_export(
    ref: ModelArg,
    to: Annotated[Path, typer.Option(help="Folder to write; it must not exist.")],
    as_: Annotated[str, typer.Option("--as", help="merged (whole weights) or adapter.")] = "merged",
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Export a model: safetensors, tokenizer, chat template and model card."""
    from corpusmith.apps.commands import model_export as command

    command.export(ref, to, as_, workspace, as_json)


@model_app.command(name="lineage")
def model_lineage(
    ref: ModelArg,
    row: Annotated[str | None, typer.Option(help="A row id or a text: was the model trained on it?")] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show personal data as it stands, locally.")] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Tell what a model was made from: base, data, steps, sources, down to one row."""
    from corpusmith.apps.commands import models

    models.lineage(ref, row, reveal, workspace, as_json)


@model_app.command(name="compare")
def model_compare(
    refs: Annotated[list[str], typer.Argument(metavar="REF...", help="Two registered models or more.")],
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Compare the newest evaluations of several models."""
    from corpusmith.apps.commands import models

    models.compare(refs, workspace, as_json)


@trace_app.command(name="export")
def trace_export(
    run_id: Annotated[str, typer.Argument(help="Run id, its beginning, `last`, or `all`.")] = "all",
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Send what has not reached the Opik server yet."""
    from corpusmith.apps.commands import trace

    trace.export(run_id, workspace, as_json)


def main() -> None:
    """Entry point of the `corpusmith` command: wrong options end like every other error, in one line and status 2."""
    from typer.exceptions import TyperException

    try:
        app(standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        raise SystemExit(130) from None
    except typer.Exit as done:
        raise SystemExit(done.exit_code) from None
    except TyperException as error:
        from corpusmith.apps.boundary import fail
        from corpusmith.core.errors import ParameterError

        if type(error).__name__ == "NoArgsIsHelpError":
            sys.stderr.write(error.format_message() + "\n")
            raise SystemExit(2) from None
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "corpusmith"
        fail(ParameterError(error.format_message(), hint=f"See `{command} --help`."), "--json" in sys.argv)

"""The command `backcast`: check a file, score it, explain a case, follow one through the stages."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import click

from features.errors import BackcastError

if TYPE_CHECKING:
    from features.dictionary import Known
    from pipeline.intake import Reading
    from pipeline.partitions.cluster import Workers

CASES = click.argument("cases", type=click.Path(path_type=Path))
"""A file, a folder of files that belong together, or a query in a `.sql` file."""
ENCODING = click.option("--encoding", default="utf-8", show_default=True, help="Of the file, such as latin-1.")
SEPARATOR = click.option("--separator", default=",", show_default=True, help="Between the values of a row.")
SHEET = click.option("--sheet", metavar="NAME", help="Of an Excel file that has several.")
URL = click.option(
    "--url", metavar="env:NAME", help="Database that a query (.sql) is put to: its address is in this variable."
)


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """How a file of records is read; the command takes them as `**reading`."""
    return ENCODING(SEPARATOR(SHEET(URL(command))))


MODEL = click.option(
    "--model",
    "models",
    multiple=True,
    metavar="URI_OR_FOLDER",
    help="A registered model or a bundle folder, instead of every champion. May be repeated.",
)


FIT_FOR: dict[str, Known] = {"prediction": "preoperative", "workup": "follow_up", "training": "adjudication"}
"""What a file may be for, by what is known then."""
FOR = click.option(
    "--for", "moment", type=click.Choice(list(FIT_FOR)), default="prediction", show_default=True,
    help="A prediction sees what is known before the operation, a work-up what is found after it; training needs all.",
)  # fmt: skip


SCHEDULER = click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Let the workers of this Dask scheduler do it, part by part (tcp://HOST:PORT).",
)
WORKERS = click.option(
    "--workers", type=click.IntRange(min=1), help="Let so many processes of this machine do it, part by part."
)


def by_workers(scheduler: str | None, workers: int | None) -> Workers | None:
    """Who is to do the work, if anybody but this process."""
    if scheduler is None and workers is None:
        return None
    if scheduler is not None and workers is not None:
        raise click.UsageError("Name --scheduler or --workers: a scheduler has workers of its own.")
    from pipeline.partitions.cluster import Workers

    return Workers(scheduler, workers)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="backcast")
@click.option("--study", metavar="NAME", help="The study to work on.  [default: as in params.yaml]")
def cli(study: str | None) -> None:
    """Forecast which planned lumbar operations will fail, and say why.

    Models are made by `make repro`. A model of the virtual registry is not for patients.
    """
    from pipeline.study import work_on

    work_on(study)


@cli.command()
@click.argument("cases", type=click.Path(path_type=Path), required=False)
@FOR
@click.option(
    "--out", "problems_file", type=click.Path(path_type=Path, dir_okay=False),
    help="CSV for every problem of a study's records, with all its rows.",
)  # fmt: skip
@SCHEDULER
@WORKERS
@reading_options
def check(
    cases: Path | None, moment: str, problems_file: Path | None, scheduler: str | None, workers: int | None,
    **reading: Unpack[Reading],
) -> None:  # fmt: skip
    """Is this file fit for the pipeline? Every problem at once. Without a file: is the study that is worked on?

    With --workers or --scheduler a folder of Parquet files is checked part by part.
    """
    by = by_workers(scheduler, workers)
    if by is not None:
        from pipeline.partitions.commands import check_parts

        if cases is None:
            raise click.UsageError("With --workers or --scheduler name a folder of Parquet files.")
        click.echo(f"{check_parts(cases, FIT_FOR[moment], by)} Fit for {moment}.")
        return
    if cases is None:
        from pipeline.study import at_hand
        from pipeline.study_check import checked_study

        click.echo(checked_study(at_hand(), problems_file))
        return
    from pipeline.intake import counted_cases

    n_cases, n_variables = counted_cases(cases, FIT_FOR[moment], **reading)
    click.echo(f"{cases}: {n_cases} cases, {n_variables} variables, no problem. Fit for {moment}.")


@cli.command()
@CASES
@click.option(
    "--out", type=click.Path(path_type=Path), required=True,
    help="Parquet file for the predictions; with --workers or --scheduler a folder for its parts.",
)  # fmt: skip
@MODEL
@SCHEDULER
@WORKERS
@reading_options
def score(
    cases: Path, out: Path, models: tuple[str, ...], scheduler: str | None, workers: int | None,
    **reading: Unpack[Reading],
) -> None:  # fmt: skip
    """Risks, intervals, contributions and features of every case; the batch is logged in MLflow.

    With --workers or --scheduler a folder of Parquet files is scored part by part; after a crash the same command
    goes on.
    """
    by = by_workers(scheduler, workers)
    if by is not None:
        from pipeline.partitions.commands import score_parts

        click.echo(score_parts(cases, out, models, by))
        return
    if out.is_dir():
        raise click.UsageError(f"--out {out} is a folder, which takes parts: name a file, or --workers or --scheduler.")
    from pipeline.scoring import score_file

    summary = score_file(cases, out, models, **reading)
    click.echo(summary)


@cli.command()
@CASES
@click.option("--case", "case_id", required=True, help="The case_id to explain.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("explanation"), show_default=True,
    help="Folder for the waterfall pictures.",
)  # fmt: skip
@MODEL
@reading_options
def explain(cases: Path, case_id: str, out: Path, models: tuple[str, ...], **reading: Unpack[Reading]) -> None:
    """One case told in words and numbers, with a waterfall picture for each outcome."""
    from pipeline.scoring import explain_case

    for paragraph in explain_case(cases, case_id, out, models, **reading):
        click.echo(paragraph + "\n")


ONE_MODEL = click.option(
    "--model",
    required=True,
    metavar="URI_OR_FOLDER",
    help="A registered model (models:/name@alias) or a bundle folder.",
)


@cli.command()
@CASES
@ONE_MODEL
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("validation"), show_default=True,
    help="Folder for the report, its figures and tables.",
)  # fmt: skip
@reading_options
def validate(cases: Path, model: str, out: Path, **reading: Unpack[Reading]) -> None:
    """Is a model right at another site? The whole evidence on its cases, and what so few cannot say."""
    from pipeline.external_validation import validate_file

    click.echo(validate_file(cases, model, out, **reading))


@cli.command()
@CASES
@ONE_MODEL
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("update"), show_default=True,
    help="Folder for the updated bundle, the page of the update and both cards.",
)  # fmt: skip
@click.option(
    "--level", type=click.FloatRange(0, 0.5, min_open=True), default=0.05, show_default=True, help="Of each test."
)
@click.option(
    "--promote", type=click.Choice(["never", "by-rule", "anyway"]), default="never", show_default=True,
    help="Whether the update may become champion: by the rule of params.yaml on these cases, or whatever it says.",
)  # fmt: skip
@click.option("--register/--no-register", "registers", default=True, show_default=True, help="In MLflow.")
@reading_options
def update(
    cases: Path, model: str, out: Path, level: float, promote: Any, registers: bool, **reading: Unpack[Reading]
) -> None:
    """The least change that a site's cases ask for: intercept, intercept and slope, or none; as a new version."""
    from pipeline.updating import update_file

    said = update_file(cases, model, out, level=level, promote=promote, registers=registers, **reading)
    click.echo(said)


@cli.command()
@CASES
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False),
    help="CSV or Parquet file for the ranked causes with the points of each finding; the batch is logged in MLflow.",
)  # fmt: skip
@click.option("--case", "case_id", help="Tell this case_id in words.")
@click.option(
    "--pages",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for a page a case; each prints on one sheet.",
)
@click.option("--model", metavar="URI_OR_FOLDER", help="Another model of causes than the champion.")
@reading_options
def workup(
    cases: Path, out: Path | None, case_id: str | None, pages: Path | None, model: str | None,
    **reading: Unpack[Reading],
) -> None:  # fmt: skip
    """After an operation that failed: which cause, what to find out next, and a plan by pain generator."""
    from pipeline.files import refuse_out
    from pipeline.intake import fit_cases
    from pipeline.working_up import told_case, work_up_file, write_pages

    if not (out or case_id or pages):
        raise click.UsageError("Name what to make: --out, --case or --pages.")
    if out:
        refuse_out(out, cases)
    read = fit_cases(cases, "follow_up", **reading)
    if out:
        click.echo(work_up_file(cases, read, out, model))
    if case_id:
        for line in told_case(cases, read, case_id, model):
            click.echo(line)
    if pages:
        click.echo(write_pages(read, pages, model))


@cli.group("study")
def study_group() -> None:
    """Studies: folders that say where records come from and what they mean."""


@study_group.command("new")
@click.argument("name")
@CASES
@reading_options
def study_new(name: str, cases: Path, **reading: Unpack[Reading]) -> None:
    """A commented skeleton of a study from a CSV; what is guessed is marked so, and no patient is quoted."""
    from pipeline.study_new import new_study

    folder = new_study(name, cases, **reading)
    click.echo(f"{folder}: look at every GUESS, then `backcast --study {name} check`. See docs/how_to/add_a_study.md.")


@cli.command()
@click.argument("case_id")
def trace(case_id: str) -> None:
    """One case through every stage of the last `dvc repro`. Prints its values: for those entitled to look."""
    from pipeline.trace import trace_lines

    for line in trace_lines(case_id):
        click.echo(line)


@cli.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--cases", default=100, show_default=True, help="How many to invent.")
@click.option("--seed", default=123, show_default=True, help="Of the draw; the default holds a case worth explaining.")
@click.option("--failed", is_flag=True, help="Operations that failed and were worked up, for `backcast workup`.")
def example(out: Path, cases: int, seed: int, failed: bool) -> None:
    """A CSV of invented operations, to try the other commands on."""
    from pipeline.example import write_example, write_failed_example

    (write_failed_example if failed else write_example)(out, cases, seed)
    what = "failed operations, worked up" if failed else "planned operations"
    click.echo(f"{out}: {cases} invented {what}. Nobody is described.")


@cli.command()
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="CSV or Parquet file for the cases."
)
@click.option("--cases", type=int, help="How many, 1,000,000 if wanted.  [default: as in params.yaml]")
@click.option("--seed", type=int, help="Of the draw.  [default: as in params.yaml]")
@click.option(
    "--truth", type=click.Path(path_type=Path, dir_okay=False),
    help="File for what only a virtual registry knows; not written unless named.",
)  # fmt: skip
@click.option(
    "--set", "changes", multiple=True, metavar="NAME=VALUE",
    help="Another value of the section registry, such as reader_error=1.5. May be repeated.",
)  # fmt: skip
def registry(out: Path, cases: int | None, seed: int | None, truth: Path | None, changes: tuple[str, ...]) -> None:
    """A virtual registry of any size, as a file. Nobody is described."""
    from pipeline.registry_file import registry_params, write_registry

    params = registry_params(cases, seed, changes)
    write_registry(params, out, truth)
    beside = f"; the truth is in {truth}" if truth else ""
    click.echo(f"{out}: {params.cases} invented cases of {params.centres} centres. Nobody is described{beside}.")


@cli.command()
@click.option("--outcome", help="Only the decisions of this outcome.")
@click.option("--line", "number", type=int, help="One line in full: rule, conditions, figures, hashes.")
@click.option(
    "--ledger", type=click.Path(path_type=Path, dir_okay=False),
    help="Another ledger, such as one that a run in MLflow carries.  [default: that beside the store]",
)  # fmt: skip
def promotions(outcome: str | None, number: int | None, ledger: Path | None) -> None:
    """Which model became champion, which was refused, by whom and why. Refuses a ledger whose chain is broken."""
    from pipeline.promotions import promotion_lines

    for line in promotion_lines(ledger, outcome, number):
        click.echo(line)


STORE = click.option(
    "--store", type=click.Path(path_type=Path, dir_okay=False),
    help="The prediction record.  [default: record.store in params.yaml]",
)  # fmt: skip


@cli.command()
@click.argument("store", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--head", "heads", multiple=True, metavar="DIGEST", help="One that must still be there. May be repeated.")
def verify(store: Path | None, heads: tuple[str, ...]) -> None:
    """Does the chain of the prediction record hold? Every link and every content; prints its head."""
    from pipeline.prediction_record import commands

    click.echo(commands.verify(store, heads))


@cli.command()
@click.argument("prediction_id")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("explanation"), show_default=True,
    help="Folder for the waterfall pictures.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="What is stored, as JSON, and no picture.")
@STORE
def show(prediction_id: str, out: Path, as_json: bool, store: Path | None) -> None:
    """A past answer again, without its model. Prints a patient's values: for those entitled to look."""
    from pipeline.prediction_record import commands

    click.echo(commands.show(store, prediction_id, out, as_json))


@cli.command()
@click.option("--case", help="Erase every prediction of this case_id.")
@click.option("--patient", help="Erase every prediction of this patient_id.")
@click.option("--prediction", metavar="PREDICTION_ID", help="Erase this one.")
@click.option("--reason", default="on request", show_default=True, help="Kept in the record; name no person.")
@STORE
def erase(case: str | None, patient: str | None, prediction: str | None, reason: str, store: Path | None) -> None:
    """Erase a person's content from the prediction record. The chain still verifies."""
    from pipeline.prediction_record import commands

    click.echo(commands.erase(store, case=case, patient=patient, prediction=prediction, reason=reason))


@cli.command()
@click.argument("follow_up", type=click.Path(path_type=Path))
@STORE
@reading_options
def outcomes(follow_up: Path, store: Path | None, **reading: Unpack[Reading]) -> None:
    """Attach what became of the cases, by case_id; a corrected file adds to what was attached before."""
    from pipeline.prediction_record import commands

    click.echo(commands.outcomes(store, follow_up, **reading))


@cli.command()
@STORE
@click.option("--every", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Go on until stopped.")
@click.option("--with-parent", is_flag=True, help="With --every: stop when the process that started this one ends.")
def export(store: Path | None, every: float | None, with_parent: bool) -> None:
    """Take what is pending in the prediction record to MLflow, as traces of the models."""
    from pipeline.prediction_record import commands

    click.echo(commands.export(store, every=every, with_parent=with_parent))


@cli.command()
@STORE
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("monitor"), show_default=True,
    help="Folder for tables and pictures.",
)  # fmt: skip
@click.option(
    "--reference", type=click.Path(path_type=Path, dir_okay=False),
    help="Distributions that `backcast drift-reference` wrote, in place of the models' own development.",
)  # fmt: skip
def monitor(store: Path | None, out: Path, reference: Path | None) -> None:
    """Are the answers right, and the cases still those of development? An alarm is exit status 23."""
    from pipeline.prediction_record import commands

    click.echo(commands.monitor(store, out, reference))


@cli.command("drift-reference")
@CASES
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="JSON file for the distributions."
)
@MODEL
@reading_options
def drift_reference(cases: Path, out: Path, models: tuple[str, ...], **reading: Unpack[Reading]) -> None:
    """Distributions of predictors and risks in a file of cases, such as those of development, for `monitor`."""
    from pipeline.prediction_record import commands

    click.echo(commands.drift_reference(cases, out, models, **reading))


FILE = click.Path(path_type=Path, dir_okay=False)


@cli.command()
@MODEL
@click.option("--host", help="Address to listen on; any but this machine's own needs a token.  [default: params.yaml]")
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes a free one.  [default: params.yaml]")
@STORE
@click.option("--token-file", type=FILE, help="The token that clients send; BACKCAST_TOKEN may hold it instead.")
@click.option("--certfile", type=FILE, help="Certificate for TLS, as PEM.")
@click.option("--keyfile", type=FILE, help="Its key.")
@click.option("--fetched", is_flag=True, help="Serve the models that were fetched last, without asking MLflow.")
@click.option("--export/--no-export", "exports", default=True, show_default=True, help="Whether to export to MLflow.")
def serve(
    models: tuple[str, ...], host: str | None, port: int | None, store: Path | None, token_file: Path | None,
    certfile: Path | None, keyfile: Path | None, fetched: bool, exports: bool,
) -> None:  # fmt: skip
    """Screen the next patients: page and service, every answer recorded before it leaves."""
    from pipeline.service import serving

    serving.serve(
        models, host=host, port=port, store=store, token_file=token_file, certfile=certfile, keyfile=keyfile,
        is_fetched=fetched, exports=exports,
    )  # fmt: skip


@cli.group()
def redcap() -> None:
    """The record in REDCap: its data dictionary, exports read back, cases written. docs/how_to/redcap.md tells how.

    The token of a project's API stands in the environment as BACKCAST_REDCAP_TOKEN.
    """


OUT_CSV = click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="CSV file to write."
)
WORK_UP = click.option(
    "--work-up", "which", default="last", show_default=True, metavar="last|first|NUMBER",
    help="Of a case that was worked up more than once: by its day, or by its place in the project.",
)  # fmt: skip


@redcap.command("dictionary")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
def redcap_dictionary(out: Path) -> None:
    """The dictionary as a REDCap data dictionary, to be uploaded into an empty project."""
    from pipeline.redcap import commands

    click.echo(commands.write_dictionary(out))


@redcap.command("read")
@click.argument("export", type=click.Path(path_type=Path))
@OUT_CSV
@FOR
@WORK_UP
@click.option(
    "--missing", "codes", multiple=True, metavar="CODE=LABEL",
    help="A missing-data code of the project. May be repeated.  [default: those that REDCap suggests]",
)  # fmt: skip
@ENCODING
@SEPARATOR
def redcap_read(
    export: Path, out: Path, moment: str, which: str, codes: tuple[str, ...], encoding: str, separator: str
) -> None:
    """A CSV export of a project, raw or labels, as cases for the other commands."""
    from pipeline.redcap import commands

    click.echo(commands.read_file(export, out, FIT_FOR[moment], which, codes, encoding=encoding, separator=separator))


@redcap.command("fetch")
@click.argument("address")
@OUT_CSV
@FOR
@WORK_UP
def redcap_fetch(address: str, out: Path, moment: str, which: str) -> None:
    """The records of a project, over the API at ADDRESS, as cases for the other commands."""
    from pipeline.redcap import commands

    click.echo(commands.fetch(address, out, FIT_FOR[moment], which))


@redcap.command("write")
@CASES
@OUT_CSV
@reading_options
def redcap_write(cases: Path, out: Path, **reading: Unpack[Reading]) -> None:
    """Cases as a CSV for REDCap's Data Import Tool."""
    from pipeline.redcap import commands

    click.echo(commands.write_import(cases, out, **reading))


@redcap.command("send")
@CASES
@click.argument("address")
@reading_options
def redcap_send(cases: Path, address: str, **reading: Unpack[Reading]) -> None:
    """Cases into a project, over the API at ADDRESS; what is empty changes nothing there."""
    from pipeline.redcap import commands

    click.echo(commands.send(cases, address, **reading))


@cli.group()
def fhir() -> None:
    """FHIR R4: the forms, cases and past answers as resources, and cases read from resources."""


@fhir.command("questionnaires")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for them.")
def fhir_questionnaires(out: Path) -> None:
    """Every form of the dictionary as a Questionnaire."""
    from pipeline.fhir import commands

    click.echo(commands.write_questionnaires(out))


@fhir.command("write")
@CASES
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the Bundles.")
@FOR
@reading_options
def fhir_write(cases: Path, out: Path, moment: str, **reading: Unpack[Reading]) -> None:
    """Each case of a file as a Bundle of QuestionnaireResponses."""
    from pipeline.fhir import commands

    click.echo(commands.write_cases(cases, out, FIT_FOR[moment], **reading))


@fhir.command("read")
@click.argument("resources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=FILE, required=True, help="CSV file for the cases.")
@click.option("--left-out", type=FILE, help="JSON file for what was not used, as an OperationOutcome.")
@click.option("--centre", metavar="NAME", help="The centre_id of the cases that name none.")
@FOR
def fhir_read(resources: tuple[Path, ...], out: Path, left_out: Path | None, centre: str | None, moment: str) -> None:
    """A table of cases from files of FHIR, or folders of them: a Bundle, or a QuestionnaireResponse, for each case."""
    from pipeline.fhir import commands

    click.echo(commands.read_cases(resources, out, FIT_FOR[moment], centre=centre, left_out=left_out))


@fhir.command("show")
@click.argument("prediction_id")
@STORE
def fhir_show(prediction_id: str, store: Path | None) -> None:
    """A past answer as RiskAssessment and Provenance. Prints a patient's values: for those entitled to look."""
    from pipeline.fhir import commands

    click.echo(commands.past_answer(store, prediction_id))


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("docs/reference"))
def reference(folder: Path) -> None:
    """The reference pages, made from tables, parameters, stages, commands and the service."""
    from pipeline.reference import write_reference

    for page in write_reference(folder):
        click.echo(str(page))


def main() -> None:
    """Run a command; a user's mistake is a message and an exit status, anything else keeps its traceback."""
    _exit_with_status(lambda: cli(standalone_mode=False))


def _exit_with_status(command: Callable[[], Any]) -> None:
    try:
        sys.exit(command() or 0)
    except BackcastError as error:
        click.echo(f"backcast: {error}", err=True)
        sys.exit(error.exit_status)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)


if __name__ == "__main__":
    main()

"""`finalrule import-measures`: CMS's measures and benchmarks of a year into our own format."""

from __future__ import annotations

import json
from pathlib import Path

import click

from finalrule.catalogue.diff import FileDiff, compare
from finalrule.catalogue.header import HEADER
from finalrule.catalogue.importer import YEARS, Imported, read_export
from finalrule.catalogue.write import outdated, write
from finalrule.diagnostics import Failure
from finalrule.places import policies_root


@click.command("import-measures", short_help="Import CMS's measures and benchmarks of a year.")
@click.argument(
    "source_dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="SOURCE_DIR",
)
@click.option(
    "--year", type=click.Choice([str(year) for year in YEARS]), required=True,
    help="Performance year.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path),
    help="Folder with the year's header.yaml. Default: policies/measures/YEAR of this checkout.",
)  # fmt: skip
@click.option("--write", "do_write", is_flag=True, help="Write the files. Else only show changes.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
def import_measures(
    source_dir: Path, year: str, out: Path | None, do_write: bool, format_: str
) -> None:
    """Check CMS's export in SOURCE_DIR and show what it changes, by row and cell.

    SOURCE_DIR holds quality_measures.csv, benchmarks.csv, improvement_activities.csv,
    pi_measures.csv, cost_measures.csv and clinical_clusters.csv. Nothing is written without
    --write, and nothing at all when anything is wrong that the known defects of header.yaml do not
    name.

    \b
    Example:
      finalrule import-measures cms-export/2020 --year 2020
      finalrule import-measures cms-export/2020 --year 2020 --write

    \b
    Exit codes:
      0  checked (and written); a difference is no error
      2  the export, the header or a file that is there is wrong; nothing was written
    """
    folder = out or policies_root() / "measures" / year
    try:
        imported = read_export(source_dir, int(year), folder / HEADER)
        differences = compare(folder, imported.files)
        files = outdated(folder, imported)
        if do_write:
            write(folder, files)
    except Failure as failure:
        _show_failure(failure, format_)
        raise SystemExit(2) from None
    except OSError as error:
        click.echo(f"error: {folder} cannot be written: {error.strerror}", err=True)
        raise SystemExit(2) from None
    if format_ == "json":
        click.echo(
            json.dumps(
                _as_data(year, imported, differences, tuple(files) if do_write else ()), indent=2
            )
        )
    else:
        _show(year, imported, differences)
        if not files:
            click.echo("The files are up to date.")
        elif do_write:
            click.echo(f"Written: {', '.join(files)}")
        else:
            click.echo(f"Not written (add --write): {', '.join(files)}")


def _as_data(
    year: str, imported: Imported, differences: list[FileDiff], written: tuple[str, ...]
) -> dict[str, object]:
    return {
        "performance_year": year,
        "files": [difference.as_data() for difference in differences],
        "known_defects": [
            {"file": d.file, "key": list(d.key), "action": d.action, "what": d.what}
            for d in imported.defects
        ],
        "written": list(written),
    }


def _show(year: str, imported: Imported, differences: list[FileDiff]) -> None:
    click.echo(f"Measures and benchmarks of {year}")
    for difference in differences:
        for line in difference.lines():
            click.echo(f"  {line}")
    for defect in imported.defects:
        where = f"{defect.file} {', '.join(defect.key)}"
        click.echo(f"  known defect ({defect.action}): {where}: {defect.what}")


def _show_failure(failure: Failure, format_: str) -> None:
    if format_ == "json":
        click.echo(json.dumps({"errors": [d.as_data() for d in failure.diagnostics]}, indent=2))
        return
    for diagnostic in failure.diagnostics:
        click.echo(diagnostic.render() + "\n", err=True)
    errors = len(failure.diagnostics)
    click.echo(f"{errors} error{'s' if errors > 1 else ''}; nothing was written.", err=True)

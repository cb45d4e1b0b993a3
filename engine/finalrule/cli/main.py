"""The command line: `finalrule COMMAND`. A command's module is imported only when it is called."""

from __future__ import annotations

import gc
import sys
from importlib import import_module

import click

from finalrule import __version__
from finalrule.diagnostics import Failure

# Command, module below finalrule.cli, and what the list of commands says of it.
COMMANDS: dict[str, tuple[str, str]] = {
    "score": ("score", "Score a submission: final score, payment adjustment, how they came about"),
    "explain": ("explain", "Why a number is what it is, down to facts and citations"),
    "compare": ("compare", "What changed between two policies, by name"),
    "show": ("show", "A policy, or one of its figures, tables, rules, catalogues or facts"),
    "init": ("init", "A facts file to fill in"),
    "validate": ("validate", "Check every policy: figures, tables, rules, citations"),
    "fmt": ("fmt", "Put rules files into their one layout"),
    "test": ("test", "Run the scenarios under policies/cases/"),
    "run": ("run", "Run a policy over a population"),
    "what-if": ("what_if", "A finished run under other figures, beside what it was"),
    "report": ("report", "What a run comes to: a page, tables, or text"),
    "agree": ("agree", "Hold all readers of the rules against the exact evaluator"),
    "models": ("models", "Which payment models are Advanced APMs, and what the others fail on"),
    "benchmarks": ("benchmarks", "Benchmarks made from a year's results, under a policy"),
    "watch": ("watch", "Events in, determinations of QPs out as they change"),
    "synth": ("synth", "A national program without a real person in it, as tables of facts"),
    "import-measures": ("import_measures", "Write policies/measures/ from CMS's export"),
}


class Commands(click.Group):
    """The commands, imported when called; failures are shown as errors for people."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"finalrule.cli.{COMMANDS[cmd_name][0]}")
        found: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, said) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Failure as failure:
            click.echo(str(failure), err=True)
            sys.exit(2)
        except BrokenPipeError:
            sys.exit(0)
        except OSError as error:  # a file has its own error; this is standard output
            click.echo(f"error: the output cannot be written: {error.strerror}", err=True)
            sys.exit(2)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="finalrule")
def main() -> None:
    """What a rule text of Medicare's Quality Payment Program does to a clinician, and why."""
    # Rules and queries are trees of many objects that live as long as the command: looking through
    # them for garbage as often as Python does takes a third of the time of making them.
    gc.set_threshold(50_000)


if __name__ == "__main__":
    main()

"""Commands and groups of them: help in sections, examples one a line, and what exists where a name is unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from interp.errors import ConfigError, nearest

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Plan": ("plan", "vectors", "layer", "strength", "operator", "method", "language", "steered"),
    "Model": ("model", "adapter", "revision", "quantization", "n_devices", "template", "raw"),
    "Data": (
        "universal", "cultural", "parallel", "data", "data_dir", "languages", "cultures", "limit", "shots", "split",
        "with_cultural",
    ),
    "Methods and training": (
        "methods", "training", "training_seeds", "training_data", "trained_dir", "steps", "batch", "accumulation", "lr",
        "schedule", "warmup", "clip", "rank", "alpha", "dropout", "targets", "temperature", "mix", "beta",
        "keep_weight", "keep_layers", "keep_loc", "save_every",
    ),
    "Design and search": (
        "design", "budget", "layers", "strengths", "positions", "draws", "goal", "max_erasure", "max_loss", "seed",
    ),
    "Scoring": ("normalisation", "attribution_items", "generate", "max_new_tokens", "engine"),
    "Machine": ("device", "dtype", "memory", "batch_size", "workers", "executor"),
    "Output": ("out", "config", "overwrite", "dry_run", "quiet", "as_json"),
}  # fmt: skip
"""Heading -> options in the help of a command with many; those that stand nowhere come last, as `Other`."""

MANY = 14
"""From so many options on, a command's help has headings."""

EXAMPLES = "Examples:"


class Command(TyperCommand):
    """A command whose help has a heading per kind of option, and one example a line."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options."""
        shown = {p.name: text for p in self.get_params(ctx) if (text := p.get_help_record(ctx)) is not None}
        if len(shown) < MANY:
            super().format_options(ctx, formatter)
            return
        placed = {name for names in SECTIONS.values() for name in names}
        sections = {**SECTIONS, "Other": tuple(name for name in shown if name not in placed)}
        for heading, names in sections.items():
            if rows := [shown[name] for name in shown if name in names]:
                with formatter.section(heading):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples."""
        _epilog(self.epilog, super().format_epilog, ctx, formatter)


class Commands(TyperGroup):
    """A group that raises ConfigError, with the commands it has, for one that it lacks."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of that name and its arguments, as Typer wants them."""
        if not args[0].startswith("-") and args[0] not in self.commands:
            raise ConfigError(
                f"command {args[0]!r} of {ctx.command_path!r} is unknown",
                allowed=", ".join(self.commands),
                remedy=nearest(args[0], self.commands, f"see {ctx.command_path} --help"),
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, each with its whole first sentence."""
        rows = [(name, command.get_short_help_str(limit=400)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples."""
        _epilog(self.epilog, super().format_epilog, ctx, formatter)


class App(typer.Typer):
    """A group whose commands are of the class `Command`."""

    def command(self, name: str | None = None, **more: Any) -> Callable[[Any], Any]:
        """Register a command."""
        return super().command(name, cls=Command, **more)


def group(help: str, *, bare_is_help: bool = True, **more: Any) -> App:
    """A group of commands. bare_is_help: its name alone prints its help."""
    return App(cls=Commands, help=help, no_args_is_help=bare_is_help, rich_markup_mode=None, **more)


def _epilog(text: str | None, usual: Callable[..., None], ctx: Any, formatter: Any) -> None:
    """Examples that stand in one text, told apart by `|`, one a line; another text as click writes it."""
    if not text or not text.startswith(EXAMPLES):
        usual(ctx, formatter)
        return
    with formatter.section(EXAMPLES.removesuffix(":")):
        for example in text.removeprefix(EXAMPLES).split("  |  "):
            formatter.write(f"{'':>{formatter.current_indent}}{example.strip()}\n")

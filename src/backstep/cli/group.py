"""The command `backstep` itself."""

from __future__ import annotations

import click


class OneLineGroup(click.Group):
    """A group whose absence of a command is a usage error like any other, not a page of help."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            raise click.UsageError("no command given; backstep --help lists them", ctx)
        return super().parse_args(ctx, args)


@click.group(cls=OneLineGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "--version", package_name="backstep", message="backstep %(version)s")
def cli() -> None:
    """Step through the backpropagation of a PyTorch script, forwards and backwards."""

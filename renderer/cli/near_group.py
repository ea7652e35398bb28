"""A group of commands that says which one a misspelt name was to be, and of which one an error is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence


class NearGroup(click.Group):
    """A group whose unknown commands are told with the nearest there is."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first argument names.

        Raises: UsageError when there is none of that name.
        """
        name = str(args[0])
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            raise _unknown(name, self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and say of an error that click raises without a word of whose it is."""
        try:
            return super().invoke(ctx)
        except click.BadOptionUsage as error:
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            if error.ctx is None and command is not None:
                error.ctx = click.Context(command, info_name=ctx.invoked_subcommand, parent=ctx)
            raise


def _unknown(name: str, known: Sequence[str]) -> Exception:
    from renderer.errors import UsageError
    from renderer.spec.near import suggestion

    return UsageError(f"there is no command `{name}`", help=suggestion(name, known) or "there are " + ", ".join(known))

# SPDX-License-Identifier: MIT
"""The `microt` command: every verb parses, calls and prints; the work is done in the other modules."""

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="microt")
def main():
    """A microcontroller that learns."""

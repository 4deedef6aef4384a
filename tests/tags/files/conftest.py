"""The command ``qnlab tags`` as a person calls it."""

import json

import pytest
from click.testing import CliRunner

from qnlab.cli.tags import tags


@pytest.fixture
def cli():
    """Call it with --json and read what it prints."""

    def call(*words):
        result = CliRunner().invoke(tags, list(map(str, words)), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return call


@pytest.fixture
def cli_fails():
    """Call it and read why it refuses."""

    def call(*words):
        result = CliRunner().invoke(tags, list(map(str, words)), catch_exceptions=False)
        assert result.exit_code == 2
        return " ".join(result.stderr.replace("│", " ").split())

    return call

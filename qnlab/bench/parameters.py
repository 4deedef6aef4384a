"""A procedure's parameters, as its model and the bench file have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from qnlab.bench.problems import bench_error, validation_problems

if TYPE_CHECKING:
    from qnlab.procedure import Procedure


def procedure_parameters(
    procedure: Procedure, label: str, table: Mapping[str, object]
) -> BaseModel:
    """Parameters of `procedure` from the table ``[procedures.<name>]`` of the file `label`.

    Raises
    ------
    BenchError
        One line a key that the procedure does not know or cannot take.
    """
    try:
        return procedure.Parameters.model_validate(dict(table))
    except ValidationError as error:
        prefix = f"procedures.{procedure.name}"
        problems = validation_problems(error, procedure.Parameters, prefix)
        raise bench_error(label, problems) from None

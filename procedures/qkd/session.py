"""What both halves of a BB84 session hold: parameters, authentication, the final exchange."""

from __future__ import annotations

from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from qnlab.procedures.qkd.authentication import AuthenticationPool


class Bb84Parameters(BaseModel):
    """Parameters of the procedure ``bb84``: bench table ``[procedures.bb84]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    duration_s: float = Field(10.0, gt=0, description="time of the whole run on the bench clock")
    block_s: float = Field(2.0, gt=0, description="time that one block takes")
    mu_signal: float = Field(0.45, gt=0, lt=1, description="mean photon number of a signal pulse")
    mu_decoy: float = Field(0.12, gt=0, lt=1, description="mean photon number of a decoy pulse")
    signal_probability: float = Field(0.75, gt=0, lt=1, description="share of signal pulses")
    clock_search_s: float = Field(0.005, gt=0, description="largest offset between the clocks")
    gate_ps: float = Field(1000.0, gt=0, description="full width of the detection gate")
    dead_time_s: float = Field(40e-9, ge=0, description="common dead time of the four detectors")
    receiver_loss_db: float = Field(0.0, ge=0, description="calibrated loss of the receiver")
    calibration_s: float = Field(
        0.4, gt=0, description="revealed stretch that the first block is planned on"
    )
    evaluation_s: float = Field(0.02, gt=0, description="revealed stretch of one alignment step")
    max_evaluations: int = Field(80, ge=1, description="alignment steps before giving up")
    good_qber: float = Field(0.015, gt=0, lt=0.5, description="alignment is good enough below this")
    realign_qber: float = Field(0.015, gt=0, lt=0.5, description="realign above this")
    drift_qber: float = Field(
        0.005, ge=0, lt=0.5, description="rise of the error rate in a block that is planned for"
    )
    abort_qber: float = Field(0.11, gt=0, lt=0.5, description="no key above this")
    f_ec_budget: float = Field(1.1, ge=1, description="reconciliation efficiency planned for")
    margin_sigma: float = Field(5.0, ge=0, description="distance of thresholds from expectation")
    eps_sec: float = Field(1e-10, gt=0, lt=1, description="secrecy failure probability a block")
    eps_cor: float = Field(1e-15, gt=0, lt=1, description="correctness failure probability a block")
    reconciliation: str = Field("lan", pattern="^(lan|wan)$", description="Cascade preset")


class SiteStore(AuthenticationPool, Protocol):
    """What a half needs of its site's key store: deposit, confirm, and authentication key."""

    @property
    def authentication_remaining_bits(self) -> int: ...

    @property
    def authentication_position(self) -> int: ...

    def advance_authentication(self, position: int) -> None: ...

    def provision_authentication(self, secret: bytes) -> None: ...

    def deposit(self, block_id: str, key: bytes, *, epsilon: float, simulated: bool) -> int: ...

    def digest(self, block_id: str, nonce: bytes) -> bytes: ...

    def confirm(self, block_id: str) -> None: ...

    def pending(self) -> list[str]: ...

    def holds(self, block_id: str) -> bool: ...

    def discard(self, block_id: str) -> None: ...

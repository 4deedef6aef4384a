"""What can be set about the world of a quantum memory: the bench file's table ``[world]``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from qnlab.sim_backends.world.memory import (
    CombMemory,
    ControlledMemory,
    HeraldedMemory,
    SpinWaveMemory,
)

Platform = ControlledMemory | CombMemory | SpinWaveMemory | HeraldedMemory


class MemoryConfig(BaseModel):
    """A memory, its filters, two detectors behind an analyser and one for heralds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    platform: Literal["eit", "ladder", "afc", "spin-wave", "dlcz"] = "eit"
    efficiency: float = Field(0.33, ge=0, le=1)
    lifetime_us: float = Field(10.0, gt=0)
    decay: Literal["exponential", "gaussian"] = "exponential"
    comb_optical_depth: float = Field(2.03, ge=0)
    comb_background_depth: float = Field(0.0, ge=0)
    comb_finesse: float = Field(4.0, gt=1)
    comb_spacing_mhz: float = Field(2.0, gt=0)
    comb_direction: Literal["forward", "backward"] = "forward"
    transfer: float = Field(0.9, ge=0, le=1)
    spin_width_khz: float = Field(20.0, ge=0)
    write_probability: float = Field(0.01, gt=0, lt=1)
    stokes_transmission: float = Field(0.5, ge=0, le=1)
    leak: float = Field(0.3, ge=0, le=1)
    setup_transmission: float = Field(0.4, gt=0, le=1)
    control_noise: float = Field(0.0, ge=0)
    fluorescence_hz: float = Field(0.0, ge=0)
    visibility: float = Field(0.98, ge=0, le=1)
    phase_khz: float = 0.0
    analyser_extinction_db: float = Field(35.0, gt=0)
    path_ns: float = Field(83.0, ge=0)
    detector_efficiency: float = Field(0.5, gt=0, le=1)
    dark_rate_hz: float = Field(100.0, ge=0)
    detector_dead_time_ns: float = Field(25.0, ge=0)
    detector_jitter_fwhm_ps: float = Field(350.0, ge=0)
    detector_recovery_ns: float = Field(0.0, ge=0)
    afterpulse_probability: float = Field(0.0, ge=0, lt=1)
    afterpulse_tau_us: float = Field(1.0, gt=0)
    tagger_resolution_ps: float = Field(1.0, gt=0)
    tagger_jitter_rms_ps: float = Field(10.0, ge=0)
    tagger_max_rate_hz: float = Field(60e6, gt=0)
    clock_ppm: float = Field(1.0, ge=-100, le=100)
    clock_walk_ppb_per_sqrt_s: float = Field(0.05, ge=0)

    def memory(self) -> Platform:
        """The memory's closed form."""
        if self.platform in ("afc", "spin-wave"):
            comb = CombMemory(
                self.comb_optical_depth,
                self.comb_background_depth,
                self.comb_finesse,
                self.comb_spacing_mhz * 1e6,
                self.comb_direction,
            )
            if self.platform == "afc":
                return comb
            return SpinWaveMemory(comb, self.transfer, self.spin_width_khz * 1e3)
        retrieval = ControlledMemory(self.efficiency, self.lifetime_us * 1e-6, self.decay)
        if self.platform == "dlcz":
            return HeraldedMemory(self.write_probability, retrieval, self.control_noise)
        return retrieval

"""What can be set about the simulated world: the bench file's table ``[world]``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class LinkConfig(BaseModel):
    """A fibre, a polarization controller, detectors and taggers. Units are in the names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fibre_km: float = Field(25.0, ge=0)
    fibre_loss_db_per_km: float = Field(0.2, ge=0)
    connectors_db: float = Field(0.0, ge=0)
    fibre_group_index: float = Field(1.468, ge=1, le=3)
    fibre_warming_k_per_h: float = 0.05
    fibre_thermal_ps_per_km_k: float = Field(37.0, ge=0)
    polarization_coherence_s: float = Field(600.0, gt=0)
    burst_rate_per_h: float = Field(0.0, ge=0)
    burst_angle_rad: float = Field(0.3, ge=0)
    intercept_fraction: float = Field(0.0, ge=0, le=1)
    receiver_loss_db: float = Field(2.5, ge=0)
    receiver_extinction_db: float = Field(25.0, gt=0)
    controller: Literal["squeezers", "paddles"] = "squeezers"
    squeezer_half_wave_v: tuple[float, float, float, float] = (28.0, 31.0, 29.5, 33.0)
    actuator_hysteresis: float = Field(0.2, ge=0)
    detector_efficiency: float = Field(0.3, gt=0, le=1)
    dark_rate_hz: float = Field(100.0, ge=0)
    detector_dead_time_ns: float = Field(30.0, ge=0)
    detector_jitter_fwhm_ps: float = Field(60.0, ge=0)
    detector_recovery_ns: float = Field(0.0, ge=0)
    afterpulse_probability: float = Field(0.0, ge=0, lt=1)
    afterpulse_tau_us: float = Field(1.0, gt=0)
    tagger_resolution_ps: float = Field(1.0, gt=0)
    tagger_jitter_rms_ps: float = Field(10.0, ge=0)
    tagger_max_rate_hz: float = Field(60e6, gt=0)
    clock_offset_ns: float = 211_000.0
    clock_ppm: float = Field(3.0, ge=-100, le=100)
    clock_walk_ppb_per_sqrt_s: float = Field(0.05, ge=0)


class DecoyLinkConfig(LinkConfig):
    """A decoy-state BB84 link."""

    prep_error_deg: float = Field(2.0, ge=0, le=45)
    modulator_extinction_db: float = Field(25.0, gt=0)
    pulse_fwhm_ps: float = Field(40.0, ge=0)


class PairLinkConfig(LinkConfig):
    """A source of entangled photon pairs at Alice's; Bob's photons travel the fibre."""

    pairs_per_s_mw: float = Field(4e6, gt=0)
    source_visibility: float = Field(0.98, ge=0, le=1)
    bell_state: Literal["phi+", "phi-", "psi+", "psi-"] = "phi+"
    alice_loss_db: float = Field(2.5, ge=0)
    alice_clock_ppm: float = Field(-1.0, ge=-100, le=100)

"""Procedure ``bb84``: a decoy-state BB84 link, from unaligned to secret keys in both stores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, ClassVar

import numpy as np

from qnlab.bench import Bench
from qnlab.errors import Aborted, BenchError, ProcedureError
from qnlab.instruments.roles import (
    Attenuator,
    IntensityModulator,
    LaserSource,
    PolarizationController,
    PowerMeter,
    SinglePhotonDetector,
    StateModulator,
    TimeTagger,
)
from qnlab.plugins import load
from qnlab.procedures.qkd import messages as m
from qnlab.procedures.qkd.alice import Alice
from qnlab.procedures.qkd.authentication import R_BYTES, Transcript
from qnlab.procedures.qkd.bob import Bob, Receiver, Totals
from qnlab.procedures.qkd.channel import Answering, Conversation, DirectPort
from qnlab.procedures.qkd.coins import double_click_coins
from qnlab.procedures.qkd.randomness import secret_bytes
from qnlab.procedures.qkd.session import Bb84Parameters, SiteStore
from qnlab.runs import Run

PLANCK_SPEED_OF_LIGHT = 1.98644586e-25
PROVISIONED_BYTES = 4096


class Bb84:
    """Decoy-state BB84 between the sites ``alice`` and ``bob`` of a bench."""

    name: ClassVar[str] = "bb84"
    summary: ClassVar[str] = "decoy-state BB84: synchronise, align, distil and deposit secret keys"
    Parameters: ClassVar[type[Bb84Parameters]] = Bb84Parameters

    def check(self, bench: Bench, parameters: Bb84Parameters) -> list[str]:
        """What the bench lacks or the parameters contradict, one line each."""
        problems = []
        roles = (
            (LaserSource, "alice"), (IntensityModulator, "alice"), (StateModulator, "alice"),
            (Attenuator, "alice"), (PowerMeter, "alice"), (TimeTagger, "bob"),
            (PolarizationController, "bob"),
        )  # fmt: skip
        for role, site in roles:
            try:
                bench.get(role, site=site)
            except BenchError as error:
                problems.append(str(error))
        taggers = bench.all(TimeTagger, site="bob")  # type: ignore[type-abstract]
        for tagger in taggers:
            missing = sorted({"H", "V", "D", "A"} - bench.channel_map(tagger.name).keys())
            if missing:
                problems.append(f"instruments.{tagger.name}.channels: no {', '.join(missing)}")
        if parameters.mu_decoy >= parameters.mu_signal:
            problems.append(
                f"procedures.bb84.mu_decoy: {parameters.mu_decoy} must be below mu_signal "
                f"{parameters.mu_signal}"
            )
        return problems

    def run(self, bench: Bench, run: Run, parameters: Bb84Parameters) -> Mapping[str, object]:
        """One session. Progress and events go to `run`; keys go to both sites' stores."""
        with ExitStack() as stack:
            stores = _open_stores(bench, stack)
            run.cleanup(bench.safe_state)
            _declare_report(run)
            source = _prepare_source(bench, parameters)
            halves = _transcripts(stores)
            names = f"{run.uid}/{{}}".format
            alice = Alice(
                source,
                bench.get(IntensityModulator, site="alice"),  # type: ignore[type-abstract]
                bench.get(StateModulator, site="alice"),  # type: ignore[type-abstract]
                halves["alice"],
                stores["alice"],
                parameters,
                simulated=bench.simulated,
                block_name=names,
            )
            stack.callback(alice.leave)
            answering = Answering(alice.answer, halves["alice"].sent, halves["alice"].received)
            detectors = bench.all(SinglePhotonDetector, site="bob")  # type: ignore[type-abstract]
            for detector in detectors:
                detector.enable()
            tagger = bench.get(TimeTagger, site="bob")  # type: ignore[type-abstract]
            stream = stack.enter_context(tagger.open_stream())
            bob = Bob(
                Receiver(
                    stream,
                    _detector_codes(bench.channel_map(tagger.name)),
                    parameters,
                    double_click_coins(bench.simulated, bench.seed),
                ),
                bench.get(PolarizationController, site="bob"),  # type: ignore[type-abstract]
                Conversation(DirectPort(answering), halves["bob"].sent, halves["bob"].received),
                halves["bob"],
                stores["bob"],
                parameters,
                bench.clock,
                simulated=bench.simulated,
                efficiency=float(np.mean([d.capabilities.efficiency for d in detectors])),
                report=run.record,
                checkpoint=run.checkpoint,
                block_name=names,
            )
            begin = bench.clock.now()
            try:
                totals = bob.run()
            finally:
                elapsed = bench.clock.now() - begin
                run.result(_result(bob.totals, parameters, halves["bob"], elapsed))
            if not totals.keys_deposited:
                raise Aborted("no_secret_key", _why_none(totals))
            return run.outcome


def _declare_report(run: Run) -> None:
    run.panel("alignment", "Polarization alignment", "qber_key", "qber_test", percent=True)
    run.panel("block", "Error rate of each block", "qber_key", "qber_test", percent=True)
    run.panel("block", "Bits of each block", "sifted_bits", "leak_ec_bits", "secret_bits")
    run.panel("block", "Loss of the link", "link_loss_db")
    run.remark(
        "Quantum key distribution replaces neither public-key infrastructure nor post-quantum "
        "cryptography: its classical channel must be authenticated, and endpoints stay as safe as "
        "they are."
    )


def _open_stores(bench: Bench, stack: ExitStack) -> dict[str, SiteStore]:
    open_store = load("keystores", "sqlite")
    folder = bench.home / "keys" / bench.name
    stores: dict[str, Any] = {
        site: stack.enter_context(open_store(folder, site, "quantum", simulated=bench.simulated))
        for site in ("alice", "bob")
    }
    position = max(store.authentication_position for store in stores.values())
    for store in stores.values():
        store.advance_authentication(position)
    left = {site: store.authentication_remaining_bits for site, store in stores.items()}
    if len(set(left.values())) != 1:
        raise ProcedureError(f"{folder}: the authentication pools of both sites differ: {left}")
    if left["alice"] < 8 * PROVISIONED_BYTES // 4:
        if not bench.simulated:
            raise ProcedureError(
                f"{folder}: {left['alice']} bits of authentication key are left; bring a new "
                "pre-shared secret to both sites"
            )
        secret = secret_bytes(PROVISIONED_BYTES)
        for store in stores.values():
            store.provision_authentication(secret)
    return stores


def _transcripts(stores: Mapping[str, SiteStore]) -> dict[str, Transcript]:
    """Each half takes the reusable key off its own pool; both pools hold the same."""
    other = {"alice": "bob", "bob": "alice"}
    return {
        site: Transcript(site, other[site], store.take_authentication(R_BYTES), store, store)
        for site, store in stores.items()
    }


def _prepare_source(bench: Bench, p: Bb84Parameters) -> m.Source:
    """Set Alice's levels, and attenuate to the signal's mean photon number by the power meter."""
    laser = bench.get(LaserSource, site="alice")  # type: ignore[type-abstract]
    intensity = bench.get(IntensityModulator, site="alice")  # type: ignore[type-abstract]
    state = bench.get(StateModulator, site="alice")  # type: ignore[type-abstract]
    attenuator = bench.get(Attenuator, site="alice")  # type: ignore[type-abstract]
    meter = bench.get(PowerMeter, site="alice")  # type: ignore[type-abstract]
    transmissions, probabilities = intensity.configure(
        (1.0, p.mu_decoy / p.mu_signal), (p.signal_probability, 1 - p.signal_probability)
    )
    laser.enable()
    settings = laser.settings()
    rate = float(settings["repetition_hz"].value)
    wavelength = float(settings["wavelength_m"].value)
    energy = float(meter.power().value) / rate
    mean = sum(t * q for t, q in zip(transmissions, probabilities, strict=True))
    photons = energy * wavelength / PLANCK_SPEED_OF_LIGHT / mean
    if photons <= p.mu_signal:
        raise ProcedureError(
            f"{laser.name}: {photons:.3g} photons a pulse in front of the attenuator, more than "
            f"mu_signal = {p.mu_signal} are needed"
        )
    taken = attenuator.set_attenuation(10 * math.log10(photons / p.mu_signal))
    attenuator.apply({"shutter_closed": False})
    at_output = photons * 10 ** (-taken / 10)
    return m.Source(
        repetition_hz=rate,
        intensities=tuple(at_output * t for t in transmissions),
        probabilities=tuple(probabilities),
        key_basis_probability=float(state.settings()["key_basis_probability"].value),
    )


def _detector_codes(channels: Mapping[str, int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    codes = np.zeros(256, dtype=np.uint8)
    for code, name in enumerate("HVDA"):
        codes[channels[name]] = code
    return codes


def _why_none(totals: Totals) -> str:
    if not totals.rejected:
        return "no block was measured"
    reasons = ", ".join(f"{name} ({n} blocks)" for name, n in totals.rejected.items())
    return f"every block was dropped: {reasons}"


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _result(
    t: Totals, p: Bb84Parameters, transcript: Transcript, elapsed_s: float
) -> dict[str, object]:
    accepted = t.blocks - sum(t.rejected.values())
    key_qber, test_qber = _ratio(t.key_errors, t.sifted_bits), _ratio(t.test_errors, t.test_bits)
    loss = float(np.mean(t.losses_db)) if t.losses_db else None
    background, doubles = _ratio(t.background, t.sifted_bits), _ratio(t.doubles, t.sifted_bits)
    return {
        "link_loss_db": loss,
        "qber": {"key": key_qber, "test": test_qber},
        "sifted_bits": t.sifted_bits,
        "leak_ec_bits": t.leak_ec_bits,
        "f_ec": _ratio(t.leak_ec_bits, t.entropy_bits),
        "secret_bits": t.secret_bits,
        "secret_key_rate_bps": _ratio(t.secret_bits, elapsed_s),
        "sifted_key_rate_bps": _ratio(t.sifted_bits, elapsed_s),
        "epsilon": {"secrecy": accepted * p.eps_sec, "correctness": accepted * p.eps_cor},
        "auth_bits_consumed": transcript.consumed_bits + 8 * R_BYTES,
        "keys_deposited": t.keys_deposited,
        "lost_tags": t.lost_tags,
        "blocks": {"measured": t.blocks, "accepted": accepted, "dropped": t.rejected},
        "realignments": t.realignments,
        "loss_budget": [
            {"item": "fibre and connectors", "db": loss, "source": "gain of the sifted blocks"},
            {"item": "receiver", "db": p.receiver_loss_db, "source": "calibrated"},
        ],
        "error_budget": [
            {"item": "background in the gate", "qber": background, "source": "tags off the gate"},
            {"item": "double clicks", "qber": doubles, "source": "counted"},
            {
                "item": "state preparation, alignment, extinction",
                "qber": max(key_qber - background - doubles, 0.0),
                "source": "remainder of the corrected errors",
            },
        ],
        "key_ledger": [
            {"item": "secret bits distilled", "bits": t.secret_bits},
            {"item": "deposited as keys of 256 bits", "bits": 256 * t.keys_deposited},
            {
                "item": "authentication key consumed",
                "bits": transcript.consumed_bits + 8 * R_BYTES,
            },
        ],
    }

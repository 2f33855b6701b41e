"""Tuning inside a run: what may be tried, that each trial is run once for all who need it, and which value is chosen.

The program that a trial starts is a small script here, which scores by the learning rate; slow tests have the real one.
"""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from datamodules.task import Refused
from sweeps.jobs import pool as jobs
from sweeps.jobs.job import Job
from sweeps.jobs.lease import Lease
from sweeps.jobs.once import Work, see_to
from sweeps.planning.ahead import alone
from sweeps.planning.tuning import Trial, affordable, best, make_trial, tuned
from sweeps.runs.encoders import planned_facts, pretraining_of
from sweeps.runs.places import experiment, run_name
from sweeps.runs.tuning_space import Space
from tests.commands import TINY, command, launch, summary, the_run
from tests.conftest import CONF

TASK = ("data=glue", "data.source=miniature", "data.task=rte", "trainer=smoke", "logger=csv", *TINY)
LR = "model.finetuning.lr"
TUNING = f"tuning={{values:{{{LR}:[1e-4,1e-3,1e-2]}},seeds:[1000,1001]}}"
SCORES = {
    1e-4: (50, 62),
    1e-3: (60, 58),
    1e-2: (57, float("nan")),
}  # of either seed: the best single one is not the best
SCRIPT = f"""
import json, sys
from pathlib import Path
words = dict(word.split("=", 1) for word in sys.argv[1:])
place = Path(words["hydra.run.dir"].strip("'"))
place.mkdir(parents=True, exist_ok=True)
(place / "count").open("a").write("x")
(place / "words").write_text(json.dumps(sys.argv[1:]))
score = {{1e-4: (50, 62), 1e-3: (60, 58), 1e-2: (57, float("nan"))}}[float(words["{LR}"])][int(words["seed"]) - 1000]
record = {{"status": "finished", "headline": {{"name": "accuracy", "value": score}}, "cost": {{"seconds": 2.0}}}}
(place / "summary.json").write_text(json.dumps(record))
"""


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An open Hydra in a folder of its own, and the script in the program's place."""
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "program.py"
    program.write_text(SCRIPT)
    monkeypatch.setattr(jobs, "PROGRAM", program)
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        yield


def compose(*overrides: str) -> Any:
    """A configuration with its choices, inside an open Hydra: trials are composed too."""
    cfg = hydra.compose("config", list(overrides), return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    return alone(cfg)


# ---- which value is chosen -------------------------------------------------------------------------------------------


def trials(place: Path, scores: dict[float, tuple[float, ...]]) -> list[Trial]:
    """Finished ones with these scores."""
    found = []
    for value, each in scores.items():
        for seed, score in enumerate(each):
            folder = place / f"{value}-{seed}"
            folder.mkdir(parents=True)
            record = {"headline": {"value": score}, "metrics": {"test_validation/score": 100 - score}}
            (folder / "summary.json").write_text(json.dumps(record))
            found.append(Trial({LR: value}, seed, Job("", (), folder), DictConfig({})))
    return found


@pytest.mark.parametrize(
    ("scores", "chosen"),
    [
        ({1.0: (50,), 2.0: (70,), 3.0: (60,)}, 2.0),
        ({1.0: (70, 40), 2.0: (60, 58)}, 2.0),  # the mean over the seeds
        ({1.0: (55,), 2.0: (55,)}, 1.0),  # of equals the first
        ({1.0: (float("nan"), 99), 2.0: (1, 1)}, 2.0),
    ],
)
def test_the_best_mean_of_the_selection_set_is_chosen(
    scores: dict[float, tuple[float, ...]], chosen: float, tmp_path: Path
) -> None:
    assert best(trials(tmp_path, scores)) == {LR: chosen}


def test_what_costs_too_much_is_tried_but_not_taken(tmp_path: Path) -> None:
    tried = trials(tmp_path, {1.0: (50,), 2.0: (70,), 3.0: (60,)})
    for one, flops in zip(tried, (1e9, 5e9, 2e9), strict=True):
        file = one.job.directory / "summary.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "pretraining": {"flops": flops}}))
    chosen = {most: best(affordable(tried, most))[LR] for most in (None, 5e9, 4e9, 1e9)}
    assert chosen == {None: 2.0, 5e9: 2.0, 4e9: 3.0, 1e9: 1.0}
    with pytest.raises(Refused, match=r"tuning.most_flops=5e\+08: the least that was tried took 1e\+09"):
        affordable(tried, 5e8)
    with pytest.raises(Refused, match="encoder is not known"):
        affordable(trials(tmp_path / "unknown", {4.0: (50,)}), 1e9)


@pytest.mark.parametrize(
    ("transfer", "flops"),
    [
        ({"mode": "features", "layers": "mix", "plug": ["input"]}, 1e9),
        ({"mode": "features", "layers": "none", "plug": ["input"]}, 0.0),
        ({"mode": "features", "layers": "mix", "plug": []}, 0.0),
        ({"mode": "finetune"}, 1e9),
    ],
)
def test_a_trial_that_reads_nothing_of_its_encoder_is_not_charged_for_it(
    transfer: dict[str, Any], flops: float, tmp_path: Path
) -> None:
    (one,) = trials(tmp_path, {1.0: (50,)})
    told = {"headline": {"value": 50}, "pretraining": {"flops": 1e9}, "config": {"transfer": transfer}}
    (one.job.directory / "summary.json").write_text(json.dumps(told))
    assert one.flops == flops


@pytest.mark.usefixtures("opened")
def test_a_run_goes_on_with_the_chosen_value_and_says_what_was_tried(capfd: pytest.CaptureFixture[str]) -> None:
    before = compose(*TASK, TUNING)
    place = HydraConfig.get().run.dir
    cfg, told = tuned(before)
    assert (HydraConfig.get().run.dir, "hydra" in cfg) == (place, False)
    assert (cfg.model.finetuning.lr, cfg.transfer.optimizer.lr, cfg.seed) == (1e-3, 1e-3, 0)
    told = told["tuning"]
    assert told["space"] == {LR: [1e-4, 1e-3, 1e-2]}
    assert told["seeds"] == [1000, 1001]
    assert told["chosen"] == {LR: 1e-3}
    tried = [(one["values"][LR], one["seed"], one["score"], one["seconds"]) for one in told["trials"]]
    flat = [(value, 1000 + n, score, 2.0) for value, each in SCORES.items() for n, score in enumerate(each)]
    assert repr(tried) == repr(flat)
    assert all(Path(one["folder"], "summary.json").is_file() for one in told["trials"])
    assert capfd.readouterr().out.count("tries ") == 6


@pytest.mark.usefixtures("opened")
def test_without_tuning_nothing_is_tried() -> None:
    cfg = compose(*TASK)
    assert tuned(cfg) == (cfg, {})
    assert not Path("trials").exists()


@pytest.mark.usefixtures("opened")
def test_a_choice_of_a_group_may_be_tried(tmp_path: Path) -> None:
    cfg = compose(*TASK, "tuning={values:{model:[bert_tiny,gpt_tiny]},seeds:[7]}")
    space = Space.of(cfg)
    assert space is not None
    made = [make_trial(cfg, values, 7, []) for values in space.points()]
    names = [trial.job.directory.name.partition("-")[0] for trial in made]
    assert names == ["bert_tiny", "gpt_tiny"]


# ---- what a trial is -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("opened")
def test_runs_that_differ_in_their_seeds_share_the_trials() -> None:
    words = (*TASK, "pretrain=miniature", "pretrain.trainer.max_steps=6")
    words += (f"tuning={{values:{{{LR}:[1e-4,1e-3]}},seeds:[1000]}}",)
    _, first = tuned(compose(*words))
    assert tuned(compose(*words, "seed=2", "pretrain.seed=3", "rerun=true"))[1] == first
    assert [path.read_text() for path in Path("trials").glob("*/count")] == ["x"] * 2
    for path in Path("trials").glob("*/words"):
        seeds = [word for word in json.loads(path.read_text()) if "seed=" in word]
        assert seeds[-2:] == ["seed=1000", "pretrain.seed=1000"]
    tuned(compose(*words, "data.task=cola"))
    assert len(list(Path("trials").glob("*/count"))) == 4


@pytest.mark.usefixtures("opened")
def test_a_trial_is_the_run_with_the_value_and_is_no_other_experiment_without() -> None:
    """Its command composes the run's configuration, less the seeds."""
    cfg = compose(*TASK, TUNING, "data.max_length=40", "seed=3")
    trial = make_trial(cfg, {LR: 1e-2}, 1000, [])
    words = [word for word in trial.job.overrides if not word.startswith("hydra.")]
    its, plain = compose(*words), compose(*TASK, f"{LR}=1e-2", "data.max_length=40", "seed=1000")
    assert experiment(its) == {**experiment(plain), "tuning": "trial"}


@pytest.mark.usefixtures("opened")
def test_names_and_encoders_are_what_they_were_without_tuning() -> None:
    cfg, more = compose(*TASK), ("pretrain=miniature", "pretrain.trainer.max_steps=6")
    assert {"tuning", "trials_dir"} & {*experiment(cfg)} == set()
    names = [run_name(compose(*TASK, *told), "a", "b") for told in ((), (TUNING,), ("tuning=trial",))]
    assert len(set(names)) == 3
    facts = [planned_facts(pretraining_of(compose(*TASK, *more, *told))) for told in ((), (TUNING,))]
    assert facts[0] == facts[1]


# ---- once ------------------------------------------------------------------------------------------------------------


def test_two_who_need_the_same_work_do_each_part_once_and_both_at_the_same_time(tmp_path: Path) -> None:
    done: list[tuple[str, int]] = []

    def works(who: int) -> list[Work]:
        def work(name: str) -> Work:
            def do(claim: object) -> None:
                time.sleep(0.2)
                done.append((name, who))

            return Work(name, "tried", Lease(tmp_path / name), lambda: name in {one for one, _ in done}, do)

        return [work(name) for name in "abcd"]

    both = [threading.Thread(target=see_to, args=(works(who), "tuning")) for who in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(30)
    assert sorted(name for name, _ in done) == ["a", "b", "c", "d"]
    assert {who for _, who in done} == {0, 1}
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == []


def test_work_that_was_done_before_its_claim_is_taken_is_not_done_again(tmp_path: Path) -> None:
    looks = iter([False, True, True])  # done by another between a look and the claim
    see_to(
        [Work("a", "tried", Lease(tmp_path / "a"), lambda: next(looks), lambda claim: pytest.fail("again"))], "tuning"
    )
    assert not (tmp_path / "a").exists()


def test_work_that_fails_is_left_to_others(tmp_path: Path) -> None:
    def fail(claim: object) -> None:
        raise Refused("woe")

    with pytest.raises(Refused, match="woe"):
        see_to([Work("a", "tried", Lease(tmp_path / "a"), lambda: False, fail)], "tuning")
    assert not (tmp_path / "a").exists()


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ("tuning=yes", r"tuning='yes' is not possible"),
        ("tuning={values:{},seeds:[1]}", r"tuning.values is empty"),
        (f"tuning={{values:{{{LR}:[1]}}}}", r"tuning.seeds is empty"),
        (f"tuning={{values:{{{LR}:[]}},seeds:[1]}}", rf"tuning.values: {LR}=\[\] is not possible"),
        (f"tuning={{values:{{{LR}:1}},seeds:[1]}}", rf"tuning.values: {LR}=1 is not possible"),
        (f"tuning={{values:{{{LR}:[1]}},seeds:[a]}}", r"tuning.seeds='a' is not possible"),
        (f"tuning={{values:{{{LR}:[1]}},seeds:[0]}}", r"seed=0 is one of tuning.seeds"),
        (f"tuning={{values:{{{LR}:[1]}},seed:[1]}}", r"tuning.seed is no key of tuning \(did you mean seeds\?\)"),
        (f"tuning={{values:{{{LR}:[1]}},seeds:[1],most_flops:-1}}", r"tuning.most_flops=-1 is not possible"),
        (f"tuning={{values:{{{LR}:[1]}},seeds:[1],most_flops:1e9}}", r"tuning.most_flops is of a pre-training"),
        ("tuning={values:{seed:[1]},seeds:[1]}", r"tuning.values has seed, which is not to be chosen"),
        (
            "tuning={values:{model.finetuning.lrr:[1]},seeds:[1]}",
            r"there is no key model.finetuning.lrr \(did you mean",
        ),
        ("tuning={values:{model:[bert_tinny]},seeds:[1]}", r"model=bert_tinny is not possible \(did you mean"),
    ],
)
def test_what_cannot_be_tried_is_refused(told: str, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        tuned(compose(*TASK, told))
    assert not Path("trials").exists()


@pytest.mark.usefixtures("opened")
def test_an_encoder_that_is_reported_is_tried_on_neither() -> None:
    with pytest.raises(Refused, match=r"pretrain.seed=1000 is one of tuning.seeds"):
        tuned(compose(*TASK, "pretrain=miniature", "pretrain.seed=1000", TUNING))


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize(
    "words",
    [
        ("data=miniature",),
        ("data=probes",),
        ("model=gpt_tiny", "data=glue", "data.source=miniature", "data.task=cola", "transfer=zero_shot"),
    ],
)
@pytest.mark.parametrize("told", [TUNING, "tuning=trial"])
def test_a_run_that_trains_no_task_has_nothing_to_tune(words: tuple[str, ...], told: str) -> None:
    with pytest.raises(Refused, match="tuning is of a transfer that trains"):
        tuned(compose(*words, told))


@pytest.mark.usefixtures("opened")
def test_what_is_reported_does_not_choose() -> None:
    with pytest.raises(Refused, match=r"data.selection=paper may be holdout"):
        tuned(compose(*TASK, "data.selection=paper", TUNING))


@pytest.mark.usefixtures("opened")
def test_a_failed_trial_is_said_and_no_row_goes_on_with_fewer(capfd: pytest.CaptureFixture[str]) -> None:
    jobs.PROGRAM.write_text("import sys\nsys.exit('error: woe')\n")
    with pytest.raises(Refused, match=rf"tuning: {LR}=0.0001,seed=1000 failed: trials/.*log says why"):
        tuned(compose(*TASK, TUNING))
    assert "error: woe" in capfd.readouterr().err
    assert not list(Path("trials").glob("*.lease"))


def test_a_refusal_comes_before_the_run_has_a_folder(tmp_path: Path) -> None:
    refusal = command(tmp_path, *TASK, "tuning={values:{model.finetuning.lrr:[1]},seeds:[1]}").refusal
    assert "there is no key model.finetuning.lrr" in refusal
    assert not list(tmp_path.glob("outputs/*"))


# ---- the real one ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_trials_and_the_run(tmp_path: Path) -> None:
    tuning = f"tuning={{values:{{{LR}:[1e-9,3e-3]}},seeds:[1000]}}"
    done = command(tmp_path, *TASK, tuning)
    assert done.status == 0, done.err
    record = summary(the_run(tmp_path))
    tried = record["tuning"]["trials"]
    assert [one["values"][LR] for one in tried] == [1e-9, 3e-3]
    highest = max(tried, key=lambda one: one["score"])
    assert record["tuning"]["chosen"] == highest["values"]
    assert record["config"]["model"]["finetuning"]["lr"] == highest["values"][LR]
    assert f"chosen in 2 trials on the selection set: {LR}=" in done.out
    for one in tried:
        its = summary(tmp_path / one["folder"])
        assert its["headline"]["value"] == one["score"] == its["metrics"]["selection/score"]
        assert not [name for name in its["metrics"] if name.startswith("test_")]
        assert "selection" not in its  # no comparison takes it for a transfer
        assert {path.name for path in (tmp_path / one["folder"]).iterdir()} <= {
            ".hydra",
            "logs",
            "metrics.csv",
            "summary.json",
        }
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("trials/*/summary.json")}
    assert command(tmp_path, *TASK, tuning, "seed=1").status == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("trials/*/summary.json")} == before


@pytest.mark.slow
def test_all_processes_of_a_run_take_the_same_value(tmp_path: Path) -> None:
    """Lightning starts the second process with the command line of the first, which composes the space again."""
    words = ("trainer.devices=2", f"tuning={{values:{{{LR}:[1e-3,2e-3]}},seeds:[1000]}}")
    done = launch(tmp_path, *TASK, *words)
    assert done.status == 0, done.err
    record = summary(the_run(tmp_path))
    assert (record["cost"]["devices"], len(record["tuning"]["trials"])) == (2, 2)

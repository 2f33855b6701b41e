"""Every sweep of sweeps/: what it says of itself, its points at every scale, and the commands that W&B would start."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from datamodules.task import Refused, fingerprint
from sweeps.jobs.job import Job
from sweeps.launch import launch, main
from sweeps.planning.ahead import after, alone, by_turns, different, jobs_ahead, settings_of
from sweeps.planning.estimate import GUESSES, Cost, estimate, expected_seconds
from sweeps.planning.plan import Plan, Told, composing, divided, point
from sweeps.planning.tried import with_trials
from sweeps.runs.encoders import planned_facts, pretraining_of
from sweeps.schema.parameters import choices
from sweeps.schema.sweep_file import Sweep, read
from tests.commands import command, summary
from tests.conftest import ROOT

FILES = sorted((ROOT / "sweeps").glob("*.yaml"))
SWEEPS = {path.stem: read(path) for path in FILES if path.stem != "published"}
SCALES = ["miniature", "small", "day", "paper"]
MOST = 40  # points
# Keys whose values make another encoder; of rows, what they change.
OF_PRETRAINING = ("text.", "shape", "row", "pretrain.fraction")


@pytest.fixture
def opened() -> Iterator[None]:
    with composing():
        yield


def few(sweep: Sweep) -> list[Sequence[str]]:
    """Commands with every value of every parameter, each at least once: the longest list's, the others in turn."""
    told = {name: choices(parameter) for name, parameter in sweep.parameters.items()}
    longest = max(map(len, told.values()))
    points = [{name: told[name][number % len(told[name])] for name in sorted(told)} for number in range(longest)]
    return [sweep.words(one) for one in points]


def heading(path: Path) -> str:
    lines = path.read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return " ".join(line.lstrip("# ") for line in lines[:first])


def test_the_sweeps_are_those_of_the_papers_tables() -> None:
    wanted = "elmo_layers elmo_placement elmo_layer_probe mlm_masking mlm_rate nsp bert_objective bert_size "
    wanted += "bert_objective_steps nsp_squad "
    wanted += "bert_ner_features gpt_auxiliary_lm gpt_pretraining gpt_layers_transferred word2vec_training context"
    assert set(wanted.split()) <= set(SWEEPS)


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_says_what_it_is(name: str) -> None:
    sweep, opening = SWEEPS[name], heading(ROOT / f"sweeps/{name}.yaml")
    assert sweep.name == name
    assert (sweep.method, sweep.raw["project"]) == ("grid", "side-by-side")
    assert re.search(r"Paper: [A-Z]\w+ et al\. \d{4}", opening)
    assert re.search(r"Table \d|Figure \d|section \d", opening)
    assert f"Command: python -m sweeps.launch sweeps/{name}.yaml" in opening
    assert f"wandb sweep sweeps/{name}.yaml" in opening
    cost = opening[opening.index("Cost:") : opening.index("Expected:")]
    assert all(scale in cost for scale in SCALES), "what each scale costs"
    assert sum(word.startswith("experiment=") for word in sweep.command) == 1


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_is_small_and_has_its_replicates(name: str) -> None:
    sweep = SWEEPS[name]
    assert len(sweep.points()) <= MOST
    knobs = [key for key in sweep.parameters if key.startswith(OF_PRETRAINING)]
    assert len(choices(sweep.parameters["pretrain.seed"])) >= (5 if knobs else 4)


@pytest.mark.parametrize("name", SWEEPS)
def test_a_command_is_to_the_letter_what_the_agent_starts(name: str) -> None:
    sweep = SWEEPS[name]
    for one in sweep.points():
        theirs = create_sweep_command_args({"args": {key: {"value": value} for key, value in one.items()}})
        assert list(sweep.words(one)) == [*sweep.command[:-1], *theirs["args_no_hyphens"]]


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("name", SWEEPS)
def test_every_value_of_a_sweep_composes_as_shipped(name: str) -> None:
    """Places differ, so that points are different experiments; the scale is the miniature; text needs no network."""
    configurations = [point(words) for words in few(SWEEPS[name])]
    assert len({cfg.hydra.run.dir for cfg in configurations}) == len(configurations)
    for cfg in configurations:
        assert cfg.scale == "miniature"
        assert cfg.data.source.startswith("miniature")
        assert cfg.pretrain.data.source.startswith("miniature")
        check_constructs(cfg)


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("name", ["elmo_layers", "gpt_auxiliary_lm", "gpt_layers_transferred", "gpt_pretraining"])
def test_a_row_that_draws_for_itself_draws_anew_in_each_replicate(name: str) -> None:
    """Its runs would else be one run repeated, and its difference to another row too sure."""
    seeds = [(cfg.seed, cfg.pretrain.seed) for cfg in map(point, few(SWEEPS[name]))]
    assert all(own == encoder for own, encoder in seeds)
    assert len({*seeds}) > 1


def check_constructs(cfg: DictConfig) -> None:
    """Data and model take the values, and the model takes the way to learn the task."""
    import torch

    from sweeps.runs.places import plain

    data: Any = instantiate(cfg.data, _convert_="all")
    with torch.device("meta"):
        model: Any = instantiate(cfg.model, _convert_="all")
        model.attach(data.task, plain(cfg.transfer))


@pytest.mark.slow
@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", SWEEPS)
def test_every_point_at_every_scale_is_an_experiment_of_its_own(name: str, scale: str) -> None:
    sweep = SWEEPS[name]
    sets = ["data.source=miniature"] if name == "word2vec_training" else []  # the hub has no sets of words
    plan = Plan.of(sweep, Told.of([f"scale={scale}", *sets]))  # refuses points that are one experiment
    assert len(plan.jobs) == len(sweep.points())
    assert {cfg.scale for cfg in plan.configurations} == {scale}
    for cfg in plan.configurations:
        HydraConfig.instance().set_config(cfg)
        check_constructs(cfg)


# ---- what is made ahead of the points --------------------------------------------------------------------------------


@pytest.mark.usefixtures("opened")
def test_points_that_share_an_encoder_have_it_made_once_and_by_the_fingerprint_that_they_look_for() -> None:
    told = ("experiment=elmo_layers", "pretrain.seed=0"), ("experiment=elmo_layers", "pretrain.seed=1")
    layers = ("transfer.layers=last", "transfer.layers=mix/1")
    points = [point((*one, more)) for one in told for more in layers]
    settings = [settings_of(cfg) for cfg in points]
    assert len(different(points, settings)) == 2
    ahead = jobs_ahead(points, settings, gpus=[])
    jobs = [*ahead.values()]
    assert len(jobs) == 2
    some = Job("point", (), Path("point"))
    assert [after(some, own, ahead).needs for own in settings] == [jobs[number].directory for number in (0, 0, 1, 1)]
    assert after(some, settings[0], {}) == some, "its encoder is there"
    for number, job in enumerate(jobs):
        cfg = points[2 * number]
        HydraConfig.instance().set_config(cfg)
        mark = fingerprint(planned_facts(pretraining_of(alone(cfg))))
        assert job.directory == Path(cfg.encoders_dir) / mark
        assert job.claim == Path(cfg.encoders_dir) / f"{mark}.lease", "a point that needs it waits for this claim"
        assert point(job.overrides).hydra.run.dir == str(job.directory)


@pytest.mark.usefixtures("opened")
def test_a_pre_training_has_all_gpus_and_a_point_its_own() -> None:
    cfg = point(("experiment=elmo_layers", "trainer.devices=1"))
    (job,) = jobs_ahead([cfg], [settings_of(cfg)], gpus=["0", "1", "2", "3"]).values()
    assert job.devices == 4


@pytest.mark.parametrize(
    ("gpus", "devices", "jobs", "shared"),
    [
        (0, ["auto", "auto"], None, (1, [0, 0])),
        (0, ["auto", "auto"], 3, (3, [0, 0])),
        (8, ["auto", "auto"], None, (8, [1, 1])),
        (8, [2, "auto"], None, (4, [2, 1])),
        (8, [3, 3], None, (2, [3, 3])),
        (8, [-1, -1], None, (1, [8, 8])),
        (8, ["auto", "auto"], 1, (1, [8, 8])),
        (8, [1, 2], 4, (4, [1, 2])),
    ],
)
def test_without_jobs_there_is_a_point_on_each_gpu(gpus: int, devices: list, jobs: int | None, shared: tuple) -> None:
    assert divided([str(number) for number in range(gpus)], devices, jobs) == shared


def test_more_gpus_than_there_are_refused() -> None:
    with pytest.raises(Refused, match="needs 16 GPUs, and there are 8"):
        divided([str(number) for number in range(8)], [16], None)
    with pytest.raises(Refused, match="jobs may be up to 1"):
        divided(["0", "1"], ["auto"], 2)


# What the points' processes are here: those that pre-train an encoder of seed 1 fail.
FAILING = """
import sys
words = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
makes = "encoders/" in words.get("hydra.run.dir", "")
open("begun", "a").write(f"{'encoder' if makes else 'point'} {words.get('seed', words.get('pretrain.seed', '0'))}\\n")
if makes and words.get("seed") == "1":
    sys.exit("out of memory")
"""


def test_a_pre_training_that_failed_is_not_tried_again_by_its_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("program.py").write_text(FAILING)
    monkeypatch.setattr("sweeps.jobs.pool.PROGRAM", tmp_path / "program.py")
    sweep = replace(
        SWEEPS["elmo_placement"],
        parameters={"pretrain.seed": {"values": [0, 1]}, "transfer.plug": {"values": ["[input]", "[output]"]}},
    )
    assert launch(sweep, Told.of(["trainer.accelerator=cpu", "pretrain.trainer.accelerator=cpu"]), tmp_path / "x") == 1
    assert Path("begun").read_text().splitlines() == ["encoder 0", "encoder 1", "point 0", "point 0"]
    said = capsys.readouterr().err
    assert said.count("out of memory") == 1
    assert said.count("not begun, for encoder") == 2


def test_within_a_budget_each_encoder_comes_just_before_its_points(tmp_path: Path) -> None:
    encoders = [Job(name, (), tmp_path / name) for name in ("e0", "e1")]
    points = [Job(f"p{n}", (), tmp_path / f"p{n}", needs=tmp_path / f"e{n % 2}") for n in range(4)]
    free = Job("free", (), tmp_path / "free")
    queue = by_turns(encoders, [*points, free])
    assert [job.name for job in queue] == ["free", "e0", "p0", "e1", "p1", "p2", "p3"]


def test_what_cannot_fit_into_a_budget_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything of its kind has run, by a guess for its scale: an encoder of 32 hours is none for one hour."""
    monkeypatch.chdir(tmp_path)
    Path("program.py").write_text("raise SystemExit(1)")
    monkeypatch.setattr("sweeps.jobs.pool.PROGRAM", tmp_path / "program.py")
    small = replace(SWEEPS["elmo_placement"], parameters={"pretrain.seed": {"values": [0]}})
    told = ["trainer.accelerator=cpu", "pretrain.trainer.accelerator=cpu", "budget=30s"]
    assert launch(small, Told.of(told), tmp_path / "x") == 0
    said = "1 points did not fit into the budget (expected: miniature encoder 20 s, miniature point 15 s)"
    assert said in capsys.readouterr().out


@pytest.mark.usefixtures("opened")
def test_a_point_takes_as_long_as_its_trials_and_their_encoders_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Points of one row share them: what has been tried, or pre-trained for it, takes no time again."""
    monkeypatch.chdir(tmp_path)
    cpu = ("trainer.accelerator=cpu", "pretrain.trainer.accelerator=cpu")
    shape = ("experiment=generations_flops", "model=gpt", *cpu)
    rate = ("experiment=generations", "model=gpt", "transfer=finetune", *cpu)
    points = [point((*words, f"pretrain.seed={seed}")) for words in (shape, rate) for seed in (0, 1)]
    jobs = [Job(str(n), (), tmp_path / str(n), kind="miniature point") for n in range(4)]
    told = with_trials(jobs, points, [])
    kinds = [Counter(job.kinds) for job in told]
    four = {"miniature point": 1 + 4, "miniature encoder": 4 + 1}  # the last one made of what they choose
    two = {"miniature point": 1 + 2, "miniature encoder": 1}
    assert kinds == [four, four, two, two]
    assert told[0].within[:-1] == told[1].within[:-1]
    for job in told[2].within:
        finished(job.directory, 1, 1)
    assert told[3].kinds == ("miniature point",)
    assert with_trials(jobs, points, [])[3].kinds == ("miniature point",), "nor is it looked for again"


def test_a_budget_that_is_too_short_for_trials_begins_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("program.py").write_text("raise SystemExit(1)")
    monkeypatch.setattr("sweeps.jobs.pool.PROGRAM", tmp_path / "program.py")
    small = replace(SWEEPS["generations_flops"], parameters={"pretrain.seed": {"values": [0]}})
    told = ["trainer.accelerator=cpu", "pretrain.trainer.accelerator=cpu", "budget=30s"]
    assert launch(small, Told.of(told), tmp_path / "x") == 0
    assert "miniature point 15 s, and as much for each trial)" in capsys.readouterr().out


@pytest.mark.usefixtures("opened")
def test_each_scale_is_estimated_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    parameters = {"pretrain.seed": {"values": [0, 1]}, "scale": {"values": ["miniature", "paper"]}}
    plan = Plan.of(replace(SWEEPS["elmo_placement"], parameters=parameters), Told.of([]))
    lines = [line for line in plan.lines() if line.startswith("a guess")]
    assert lines == [
        f"a guess at scale={scale}, as if each were {like}: {GUESSES[scale][0] * 2 + GUESSES[scale][1] * 2}"
        for scale, like in (("miniature", "BERT"), ("paper", "BERT-base"))
    ]
    assert plan.expected() == {
        "miniature encoder": 20,
        "miniature point": 15,
        "paper encoder": 32 * 3600,
        "paper point": 3600,
    }


@pytest.mark.usefixtures("opened")
def test_the_encoders_that_are_still_to_be_made_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = ["trainer.accelerator=cpu", "pretrain.trainer.accelerator=cpu"]
    plan = Plan.of(replace(SWEEPS["elmo_placement"], path=Path("s.yaml")), Told.of(told))
    assert len(plan.lacked()) == 5
    assert {one.environment["WANDB_PROJECT"] for one in plan.ahead().values() if one.environment} == {"side-by-side"}
    made = next(iter(plan.ahead().values())).directory.name
    (tmp_path / f"encoders/{made}/encoder").mkdir(parents=True)
    (tmp_path / f"encoders/{made}/encoder/encoder.yaml").write_text(f"fingerprint: {made}\n")
    assert len(plan.lacked()) == 4
    for job, own in zip(plan.jobs, plan.settings, strict=True):
        if own == plan.settings[-1]:
            finished(job.directory, 1, 1)
    assert len(plan.lacked()) == 3
    assert "3 encoders" in "\n".join(plan.lines())


@pytest.mark.usefixtures("opened")
def test_what_makes_two_pre_trainings_different() -> None:
    def digest(*words: str) -> str:
        return settings_of(point(("experiment=bert_nsp", *words)))

    same = ("seed=3", "data.task=rte", "model.finetuning.lr=1e-5", "trainer.max_epochs=7", "init_from=scratch")
    assert {digest(word) for word in same} == {digest()}
    others = ("pretrain.seed=3", "row=no_nsp", "scale=small", "model.dropout=0.2", "pretrain.trainer.max_steps=9")
    assert len({digest(), *map(digest, others)}) == 6


@pytest.mark.usefixtures("opened")
def test_a_task_on_generated_text_does_not_change_what_its_encoder_reads() -> None:
    for scale in ("miniature", "small"):
        points = [point(("experiment=elmo_layer_probe", f"data={data}", f"scale={scale}")) for data in ("pos", "roles")]
        assert len(different(points, [settings_of(cfg) for cfg in points])) == 1


def finished(folder: Path, seconds: float, size: int) -> Job:
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(f'{{"status": "finished", "cost": {{"seconds": {seconds}}}}}')
    (folder / "weights").write_bytes(bytes(size))
    return Job(folder.name, (), folder)


def test_an_estimate_is_a_guess_until_something_was_run(tmp_path: Path) -> None:
    unbegun = [Job(str(number), (), tmp_path / str(number)) for number in range(3)]
    encoder, one = GUESSES["small"]
    assert str(encoder * 2 + one * 3) in estimate(unbegun, 2, "small")
    assert "guess" in estimate(unbegun, 2, "small")
    assert estimate(unbegun, 2, None) == ""
    assert str(encoder * 4 + one * 8) in estimate(unbegun, 2, "small", (2, 5))
    done = [finished(tmp_path / "a", 100, 10**9), finished(tmp_path / "b", 140, 10**9)]
    some = [*unbegun, *done]
    assert "by those that are done: some 6 minutes" in estimate(some, 0, "small")
    assert "3.0 GB" in estimate(some, 0, "small")
    assert expected_seconds(some, "small") == {"small encoder": encoder.seconds, "small point": 120}
    assert str(encoder * 2 + Cost(360, 3e9)) in estimate(some, 2, "small")
    record = json.loads((tmp_path / "a/summary.json").read_text())
    (tmp_path / "a/summary.json").write_text(json.dumps({**record, "pretraining": {"seconds": 600}}))
    assert expected_seconds(some, "small") == {"small encoder": 600, "small point": 120}
    assert "some 26 minutes" in estimate(some, 2, None), (
        "what a finished point says of its encoder is better than a guess"
    )
    assert expected_seconds(unbegun, None) == {}
    assert estimate(done, 2, "small") == ""
    assert str(Cost(7200, 0)).startswith("some 2.0 hours")


def test_a_dry_run_tells_points_commands_and_a_guess(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCALE", "small")
    assert main([str(ROOT / "sweeps/elmo_placement.yaml"), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "15 points, 0 done" in out
    assert "scale=small" in out
    assert not list(tmp_path.iterdir())


ALL_OF_GLUE = "  - data=glue\n  - model=elmo_miniature\n  - pretrain=miniature"
WRONG = [  # a line of the file, what takes its place, and what is said
    ("  transfer.plug:", "  transfer.plugg:", "line {line}: there is no key transfer.plugg"),
    ("  - experiment=elmo_placement", "  - experiment=elmo_placment", "line {line}: experiment=elmo_placment is not"),
    ("  - experiment=elmo_placement", "  - experiment=elmo_placement,bert_nsp", "line {line}: experiment="),
    ("  - experiment=elmo_placement", ALL_OF_GLUE, "data.task says which task"),
]


@pytest.mark.parametrize(("there", "instead", "said"), WRONG)
@pytest.mark.parametrize("switch", [["--dry-run"], ["--write", "out.yaml"]])
def test_what_hydra_cannot_compose_is_refused_with_its_line(
    switch: list[str], there: str, instead: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "sweeps/elmo_placement.yaml").read_text()
    number = next(n for n, line in enumerate(text.splitlines(), 1) if line.startswith(there))
    Path("s.yaml").write_text(text.replace(there, instead))
    with pytest.raises(Refused) as refusal:
        main(["s.yaml", *switch])
    assert said.format(line=number) in str(refusal.value)
    assert str(refusal.value).startswith("s.yaml")
    assert not Path("out.yaml").exists()


UNUSABLE = [  # an experiment, a key and values, and what is said of them
    ("mlm_masking", "text.objective.masking", ["80/10/10", "80/10/20"], "line 5: text.objective.masking='80/10/20'"),
    ("bert_nsp", "data.task", ["rte", "sst3"], "line 5: data.task='sst3' is not possible"),
    ("bert_nsp", "seed", [-1], "line 5: seed=-1 is not possible"),
    ("bert_nsp", "trainer.max_epochs", ["foo"], "line 5: trainer.max_epochs='foo'"),
    ("bert_nsp", "pretrain.trainer.max_steps", ["foo"], "line 5: pretrain.trainer.max_steps='foo'"),
    ("bert_nsp", "pretrain.data.max_length", [0], "line 5: pretrain.data.max_length=0"),
    ("bert_nsp", "pretrain.data.max_length", [999], "line 5: pretrain.data.max_length (or"),
    ("elmo_layers", "transfer.layers", ["lst"], "line 5: transfer.layers='lst'"),
    ("bert_nsp", "init_from", ["published"], "line 5: init_from=published and pretrain=scale"),
    ("word2vec_training", "data.source", ["hub"], "line 5: data.source=hub has no sets of words"),
]


@pytest.mark.parametrize(("experiment", "key", "values", "said"), UNUSABLE)
def test_what_a_point_would_refuse_is_refused_before_any_is_started(
    experiment: str, key: str, values: list, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pre-trainings were made for such points."""
    monkeypatch.chdir(tmp_path)
    command = "[python, '${program}', 'experiment=%s', '${args_no_hyphens}']" % experiment  # noqa: UP031
    lines = ["program: run.py", "method: grid", f"command: {command}", "parameters:", f"  {key}: {{values: {values}}}"]
    Path("s.yaml").write_text("\n".join(lines))
    monkeypatch.setattr("sweeps.launch.run_jobs", None)
    for switch in ([], ["--dry-run"]):
        with pytest.raises(Refused, match=re.escape(f"s.yaml, {said}")):
            main(["s.yaml", *switch])
    assert [path.name for path in tmp_path.iterdir()] == ["s.yaml"]


def test_a_wrong_override_is_not_said_to_be_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for word in ("experiment=elmo_placment", "nosuch.key=1"):
        with pytest.raises(Refused) as refusal:
            main([str(ROOT / "sweeps/elmo_placement.yaml"), "--write", "out.yaml", word])
        assert "yaml, line" not in str(refusal.value)


def test_the_written_file_has_the_scale_that_was_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCALE", "small")
    for words, scale in (([], "small"), (["scale=day"], "day")):
        assert main([str(ROOT / "sweeps/elmo_placement.yaml"), "--write", "out.yaml", *words]) == 0
        assert [word for word in read("out.yaml").command if word.startswith("scale=")] == [f"scale={scale}"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--write", "out.yaml", "jobs=2"], "--write takes no jobs="),
        (["--write", "out.yaml", "budget=9m"], "--write takes no budget="),
        (["--write", "/proc/nowhere/out.yaml"], r"/proc/nowhere/out\.yaml is not possible \(No such file"),
        (["--write", "."], r"--write \. is not possible"),
    ],
)
def test_what_cannot_be_written_is_refused(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused, match=said):
        main([str(ROOT / "sweeps/elmo_placement.yaml"), *words])
    assert not list(tmp_path.iterdir())


# ---- in earnest ------------------------------------------------------------------------------------------------------

SMALL = (
    "pretrain.trainer.max_steps=4",
    "pretrain.data.validation_sequences=20",
    "data.train_examples=32",
    "logger=csv",
)
SMALL += ("trainer=smoke", "trainer.accelerator=cpu", "pretrain.trainer.accelerator=cpu")


@pytest.mark.slow
def test_a_point_and_its_control_run(tmp_path: Path) -> None:
    """A point of gpt_pretraining, in a process for the encoder; then random weights with that encoder's vocabulary."""
    told = ("experiment=gpt_pretraining", "data.task=cola", *SMALL)
    pretrained = command(tmp_path, *told, "row=pretrained")
    assert pretrained.status == 0, pretrained.err
    control = command(tmp_path, *told, "row=scratch")
    assert control.status == 0, control.err
    (encoder,) = tmp_path.glob("encoders/*/encoder")
    records = [summary(path.parent) for path in tmp_path.glob("outputs/*/summary.json")]
    starts = {record["config"]["row"]: record for record in records}
    assert starts["pretrained"]["encoder_fingerprint"] == encoder.parent.name
    scratch = starts["scratch"]
    assert scratch["encoder_fingerprint"] is None
    assert scratch["start"].startswith("scratch, with the vocabulary of encoder")
    assert scratch["config"]["init_from"] == "scratch"
    assert Path(scratch["config"]["text"]["tokenizer"]["file"]) == Path("encoders") / encoder.parent.name / "encoder"
    assert scratch["config"]["model"] == starts["pretrained"]["config"]["model"]
    assert {record["config"]["scale"] for record in records} == {"miniature"}
    assert "all weights random" in control.out

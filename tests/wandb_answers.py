"""The stand-in's answer to each operation that the clients of wandb 0.31 ask W&B's server for, by the operation's name.

An answer holds what the clients' query asks for; what nobody here looks at is empty.
"""

import json
from collections.abc import Callable

from tests.wandb_records import ENTITY, Answer, Records, Run, Sweep

ANSWERS: dict[str, Callable[[Records, Answer], Answer]] = {}


def answers(*operations: str) -> Callable[[Callable[[Records, Answer], Answer]], Callable[[Records, Answer], Answer]]:
    """Make a function, of the records and an operation's variables, the answer to operations."""

    def noted(function: Callable[[Records, Answer], Answer]) -> Callable[[Records, Answer], Answer]:
        ANSWERS.update(dict.fromkeys(operations, function))
        return function

    return noted


# ---- who is asking, and what the server can --------------------------------------------------------------------


@answers("Viewer", "GetDefaultEntity")
def viewer(records: Records, told: Answer) -> Answer:
    teams = {"edges": [{"node": {"name": ENTITY}}]}
    return {"viewer": {"id": "1", "entity": ENTITY, "username": ENTITY, "email": "", "flags": "{}", "teams": teams}}


@answers("GetViewer")
def get_viewer(records: Records, told: Answer) -> Answer:
    more = {"name": ENTITY, "admin": False, "deletedAt": None, "apiKeys": {"edges": []}}
    return {"viewer": {**viewer(records, told)["viewer"], **more}}


@answers("ServerFeaturesQuery")
def server_features_query(records: Records, told: Answer) -> Answer:
    return {"serverInfo": {"features": []}}


@answers("OrganizationCoreWeaveOrganizationID")
def organization_core_weave_organization_id(records: Records, told: Answer) -> Answer:
    return {"entity": {"organization": {"coreWeaveOrganizationId": None}}}


# ---- runs ------------------------------------------------------------------------------------------------------


@answers("RunResumeStatus")
def run_resume_status(records: Records, told: Answer) -> Answer:
    run, project = records.runs.get(told["name"]), {"id": "1", "name": told["project"]}
    model = {**project, "entity": {"id": "1", "name": ENTITY}, "bucket": None}
    if run is None:
        return {"model": model}
    last = [run.history_lines[max(run.history_lines)]] if run.history_lines else []
    counts = {"logLineCount": len(run.output_lines), "eventsLineCount": 0, "eventsTail": "[]", "wandbConfig": "{}"}
    return {"model": {**model, "bucket": {**run.node(), **counts, "historyTail": json.dumps(last)}}}


@answers("UpsertBucket")
def upsert_bucket(records: Records, told: Answer) -> Answer:
    inserted = told["name"] not in records.runs
    run = records.runs.setdefault(told["name"], Run(told["name"], told["project"] or "uncategorized"))
    records.projects.add(run.project)
    run.state, run.exit_code = "running", None
    for mine, theirs in (("display_name", "displayName"), ("group", "groupName"), ("job_type", "jobType")):
        setattr(run, mine, told.get(theirs) or getattr(run, mine))
    run.sweep, run.tags = told.get("sweep") or run.sweep, told.get("tags") or run.tags
    if told.get("config"):
        run.config = json.loads(told["config"])
    return {"upsertBucket": {"bucket": run.node(), "inserted": inserted}}


@answers("CreateRunFiles")
def create_run_files(records: Records, told: Answer) -> Answer:
    place = f"{records.url}/upload/{told['run']}"
    files = [{"name": name, "uploadUrl": f"{place}/{name}"} for name in told["files"]]
    return {"createRunFiles": {"runID": told["run"], "uploadHeaders": [], "files": files}}


@answers("ArtifactType")
def artifact_type(records: Records, told: Answer) -> Answer:
    """Of an artifact before it is made: there is none of its name."""
    return {"project": {"artifact": None}}


@answers("CreateArtifact")
def create_artifact(records: Records, told: Answer) -> Answer:
    """It is there already: nothing is uploaded."""
    records.runs[told["input"]["runName"]].artifacts.append(told["input"]["artifactCollectionName"])
    artifact = {"id": "1", "state": "COMMITTED", "artifactSequence": {"latestArtifact": None}}
    return {"createArtifact": {"artifact": artifact}}


# ---- sweeps and agents -----------------------------------------------------------------------------------------


@answers("UpsertSweep")
def upsert_sweep(records: Records, told: Answer) -> Answer:
    name = f"sweep{len(records.sweeps)}"
    project = told["projectName"] or "uncategorized"
    records.projects.add(project)
    records.sweeps[name] = Sweep.of(name, project, told["config"])
    place = {"id": "1", "name": project, "entity": {"id": "1", "name": ENTITY}}
    return {"upsertSweep": {"sweep": {"name": name, "project": place}, "configValidationWarnings": []}}


@answers("SweepWithRuns")
def sweep_with_runs(records: Records, told: Answer) -> Answer:
    sweep = records.sweeps.get(told["sweep"])
    return {"project": {"sweep": sweep and sweep.node()}}


@answers("CreateAgent")
def create_agent(records: Records, told: Answer) -> Answer:
    name = f"agent{len(records.agents)}"
    records.agents[name] = records.sweeps[told["sweep"]]
    return {"createAgent": {"agent": {"id": name}}}


@answers("Heartbeat")
def heartbeat(records: Records, told: Answer) -> Answer:
    """A free agent gets the next point, or is told to exit; a busy one which of its runs to stop."""
    sweep, busy = records.agents[told["id"]], json.loads(told["runState"])
    commands: list[Answer] = [
        {"type": "stop", "run_id": name}
        for name in busy
        if name in records.runs and records.runs[name].state == "running" and records.stops(records.runs[name])
    ]
    if not busy:
        commands.append(records.next_command(sweep))
    return {"agentHeartbeat": {"agent": {"id": told["id"]}, "commands": json.dumps(commands)}}


# ---- the public interface --------------------------------------------------------------------------------------


@answers("GetSweep")
def get_sweep(records: Records, told: Answer) -> Answer:
    return sweep_with_runs(records, {"sweep": told["name"]})


@answers("Runs")
def runs(records: Records, told: Answer) -> Answer:
    wanted = json.loads(told.get("filters") or "{}")
    found = [run for run in records.runs.values() if run.project == told["project"] and records.fits(run, wanted)]
    edges = [{"node": run.node(), "cursor": run.name} for run in found]
    page = {"endCursor": None, "hasNextPage": False}
    project = {"internalId": "1", "runCount": len(found), "readOnly": False}
    return {"project": {**project, "runs": {"edges": edges, "pageInfo": page}}}


@answers("Run", "RunHistoryKeys")
def run(records: Records, told: Answer) -> Answer:
    run = records.runs.get(told["name"])
    return {"project": {"run": run and run.node()}}


@answers("RunFullHistory")
def run_full_history(records: Records, told: Answer) -> Answer:
    run = records.runs[told["name"]]
    return {"project": {"run": {"history": [json.dumps(row) for row in run.history]}}}


@answers("RunParquetHistory")
def run_parquet_history(records: Records, told: Answer) -> Answer:
    """Nothing is exported: all rows are asked for by pages."""
    return {"project": {"run": {"parquetHistory": {"parquetUrls": [], "liveData": []}}}}


@answers("HistoryPage")
def history_page(records: Records, told: Answer) -> Answer:
    rows = [row for row in records.runs[told["run"]].history if told["minStep"] <= row["_step"] < told["maxStep"]]
    return {"project": {"run": {"history": [json.dumps(row) for row in rows]}}}


@answers("SampledHistoryPage")
def sampled_history_page(records: Records, told: Answer) -> Answer:
    wanted = json.loads(told["spec"])
    rows = [row for row in records.runs[told["run"]].history if set(wanted["keys"]) <= set(row)]
    rows = [row for row in rows if wanted["minStep"] <= row["_step"] < wanted["maxStep"]]
    return {"project": {"run": {"sampledHistory": [[{key: row[key] for key in wanted["keys"]} for row in rows]]}}}


# ---- reports and workspaces ------------------------------------------------------------------------------------


@answers("GetProjects")
def get_projects(records: Records, told: Answer) -> Answer:
    more = {"__typename": "Project", "entityName": ENTITY, "createdAt": "2026-01-01T00:00:00", "isBenchmark": False}
    edges = [{"node": {"id": "1", "name": name, "user": None, **more}} for name in sorted(records.projects)]
    page = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
    return {"models": {"pageInfo": page, "edges": edges}}


@answers("CreateProject")
def create_project(records: Records, told: Answer) -> Answer:
    name = told["input"]["name"]
    records.projects.add(name)
    made = {"id": "1", "name": name, "entityName": ENTITY, "description": None, "access": "PRIVATE", "views": "{}"}
    return {"result": {"project": made, "model": made, "inserted": True}}


@answers("ProjectInternalId")
def project_internal_id(records: Records, told: Answer) -> Answer:
    return {"project": {"id": "1", "internalId": "1"}}


@answers("upsertView", "UpsertView2")
def upsert_view(records: Records, told: Answer) -> Answer:
    records.views.append(told)
    project = {"id": "1", "name": told["projectName"], "entityName": told["entityName"]}
    view = {key: told.get(key) for key in ("type", "name", "displayName", "description", "spec")}
    return {"upsertView": {"view": {**view, "id": f"view{len(records.views)}", "project": project}, "inserted": True}}

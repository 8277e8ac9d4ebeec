"""Builds, upgrades and destroys the whole deployment on a pretended AWS: moto on loopback.

    python -m venv venv && venv/bin/pip install "moto[server]==5.2.5"
    venv/bin/python rehearse.py [--plugin-dir DIR]

Needs `terraform` and `aws` (the command line). Nothing leaves the machine but Terraform's own
download of its provider, and that not with --plugin-dir. About ten minutes, most of them the
provider's fixed pauses; every step has a limit.
"""

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REGION = "eu-central-1"
STEP_SECONDS = 900
FIRST = {"protect": "false"}
UPGRADED = FIRST | {
    "image": f"123456789012.dkr.ecr.{REGION}.amazonaws.com/luminalib:2",
    "llm_provider": "openai",
    "llm_base_url": "https://llm.example.org/v1",
    "secret_versions": "{ tokens_secret = 2, database_password = 2 }",
}
API_KEY = "the-key-that-must-not-be-kept"
# What moto 5.2.5 takes and does not give back, so that a second plan sets it again.
FORGOTTEN = {
    "aws_autoscaling_group": {"capacity_reservation_specification", "launch_template"},
    "aws_db_instance": {"performance_insights_enabled", "performance_insights_kms_key_id"},
    "aws_db_parameter_group": {"parameter"},
    "aws_ecs_service": {"availability_zone_rebalancing", "health_check_grace_period_seconds"},
    "aws_launch_template": {"default_version", "latest_version", "tag_specifications"},
    "aws_vpc_security_group_egress_rule": {"description"},
    "aws_vpc_security_group_ingress_rule": {"description"},
}
OVERRIDE = """
terraform {
  backend "local" {}
}

provider "aws" {
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  max_retries                 = 2
}
"""


class Failed(Exception):
    """The rehearsal found a fault; the words say which."""


class Stage:
    """A copy of the configuration in a folder of its own, and the pretended cloud under it."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.folder = folder
        self.environment = _environment(folder, endpoint)
        for source in (*HERE.glob("*.tf"), *HERE.glob("*.tftpl"), HERE / "task.sh"):
            shutil.copy(source, folder)
        shutil.copy(HERE / "rehearsal.tfvars", folder)
        shutil.copytree(HERE / "tests", folder / "tests")
        (folder / "rehearsal_override.tf").write_text(OVERRIDE)

    def run(self, *command: str, **more: str) -> str:
        done = subprocess.run(  # noqa: S603
            command,
            cwd=self.folder,
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS,
        )
        if done.returncode != 0:
            said = (done.stdout + done.stderr)[-6000:]
            raise Failed(f"{' '.join(command[:3])} ended with {done.returncode}:\n{said}")
        return done.stdout

    def terraform(self, verb: str, variables: Mapping[str, str], *options: str, **more: str) -> str:
        given = [f"-var={name}={value}" for name, value in variables.items()]
        command = ("terraform", verb, "-no-color", "-input=false", *options)
        return self.run(*command, "-var-file=rehearsal.tfvars", *given, **more)

    def aws(self, *words: str) -> str:
        return self.run("aws", *words, "--output", "text").strip()

    def state(self) -> str:
        return (self.folder / "terraform.tfstate").read_text()

    def secrets(self) -> dict[str, str]:
        names = self.aws("secretsmanager", "list-secrets", "--query", "SecretList[].Name")
        return {name: self._secret(name) for name in names.split()}

    def _secret(self, name: str) -> str:
        value = ("--secret-id", name, "--query", "SecretString")
        return self.aws("secretsmanager", "get-secret-value", *value)


def rehearse(stage: Stage, plugins: str | None) -> None:
    source = [f"-plugin-dir={plugins}"] if plugins else []
    _say("init, validate")
    stage.run("terraform", "init", "-no-color", "-input=false", *source)
    stage.run("terraform", "validate", "-no-color")
    _say("terraform test")
    _say("  " + stage.run("terraform", "test", "-no-color").strip().splitlines()[-1])
    variables = {"zone_id": _new_zone(stage)}

    before = _built(stage, variables | FIRST, "first deployment, with a GPU instance")
    after = _built(stage, variables | UPGRADED, "new image, hosted model, two secrets rotated")
    _check_rotation(before, after)
    _check_services(stage)

    _say("destroy")
    stage.terraform("destroy", variables | UPGRADED, "-auto-approve")
    _check_nothing_left(stage)


def _new_zone(stage: Stage) -> str:
    zone = ("--name", "example.org", "--caller-reference", "1", "--query", "HostedZone.Id")
    return stage.aws("route53", "create-hosted-zone", *zone).rpartition("/")[2]


def _built(stage: Stage, variables: Mapping[str, str], what: str) -> dict[str, str]:
    """Apply; returns the secrets. The state must hold none of them, and a second plan, without
    the key of the model, must be empty."""
    _say(f"apply: {what}")
    told = stage.terraform("apply", variables, "-auto-approve", TF_VAR_llm_api_key=API_KEY)
    _say("  " + next(line for line in told.splitlines() if line.startswith("Apply complete")))
    if again := _unsettled(stage, variables):
        raise Failed("A second plan would change " + "; ".join(again))
    secrets = stage.secrets()
    kept = [name for name, value in secrets.items() if value in stage.state()]
    if kept:
        raise Failed(f"The state holds {', '.join(kept)}.")
    _say(f"  a second plan is empty; none of {len(secrets)} secrets is in the state")
    return secrets


def _unsettled(stage: Stage, variables: Mapping[str, str]) -> list[str]:
    """What a plan made now would change, apart from what moto forgets."""
    stage.terraform("plan", variables, "-out=again.tfplan")
    plan = json.loads(stage.run("terraform", "show", "-json", "again.tfplan"))
    found = []
    for resource in plan["resource_changes"]:
        change = resource["change"]
        names = _differing(change) - FORGOTTEN.get(resource["type"], set())
        if change["actions"] not in (["no-op"], ["read"]) and names:
            found.append(f"{resource['address']} ({', '.join(sorted(names))})")
    return found


def _differing(change: Mapping[str, Any]) -> set[str]:
    before, after = change["before"] or {}, change["after"] or {}
    unknown = {name for name, value in change["after_unknown"].items() if value is True}
    return unknown | {name for name in after if before.get(name) != after[name]}


def _check_rotation(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    changed = {name.rpartition("/")[2] for name in before if before[name] != after[name]}
    if changed != {"tokens-secret", "database-password", "database-url"}:
        raise Failed(f"Asked to rotate two secrets, changed: {sorted(changed)}")
    if f":{after['luminalib/database-password']}@" not in after["luminalib/database-url"]:
        raise Failed("DATABASE_URL does not hold the database's password.")
    if after["luminalib/llm-api-key"] != API_KEY:
        raise Failed("The key of the hosted model did not arrive.")
    _say("  exactly the secrets asked for changed, and DATABASE_URL followed")


def _check_services(stage: Stage) -> None:
    """Each service runs the new image, with every secret pinned to its newest version."""
    for service in ("api", "worker"):
        found = ("--cluster", "luminalib", "--services", service)
        current = stage.aws(
            "ecs", "describe-services", *found, "--query", "services[0].taskDefinition"
        )
        told = stage.run("aws", "ecs", "describe-task-definition", "--task-definition", current)
        container = json.loads(told)["taskDefinition"]["containerDefinitions"][0]
        if container["image"] != UPGRADED["image"]:
            raise Failed(f"{service} still runs {container['image']}.")
        for secret in container["secrets"]:
            _check_pinned(stage, secret["valueFrom"])
    _say("  api and worker run the new image with the new secrets; the old model is gone")
    if "aws_autoscaling_group" in stage.run("terraform", "state", "list"):
        raise Failed("The GPU instance outlived its choice.")


def _check_pinned(stage: Stage, reference: str) -> None:
    arn, _, version = reference.partition(":::")
    newest = ("--secret-id", arn, "--query", "VersionId")
    if stage.aws("secretsmanager", "get-secret-value", *newest) != version:
        raise Failed(f"{arn} is not pinned to its newest version.")


def _check_nothing_left(stage: Stage) -> None:
    left = {
        "databases": ("rds", "describe-db-instances", "--query", "DBInstances"),
        "load balancers": ("elbv2", "describe-load-balancers", "--query", "LoadBalancers"),
        "buckets": ("s3api", "list-buckets", "--query", "Buckets"),
        "secrets": ("secretsmanager", "list-secrets", "--query", "SecretList"),
        "roles": ("iam", "list-roles", "--query", "Roles[?starts_with(RoleName, 'luminalib')]"),
        "alarms": ("cloudwatch", "describe-alarms", "--query", "MetricAlarms"),
        "NAT gateways": (
            *("ec2", "describe-nat-gateways", "--query"),
            "NatGateways[?State!='deleted']",
        ),
    }
    found = [name for name, question in left.items() if stage.aws(*question) not in ("", "None")]
    if found or stage.run("terraform", "state", "list").strip():
        raise Failed(f"Left behind: {', '.join(found) or 'resources in the state'}.")
    _say("  nothing is left")


@contextmanager
def pretended_cloud(folder: Path) -> Iterator[str]:
    """The address of a moto server that ends with the block."""
    port = _free_port()
    with (folder / "moto.log").open("w") as log:
        server = subprocess.Popen(  # noqa: S603
            [sys.executable, "-B", str(HERE / "rehearse.py"), "--serve", str(port)],
            env=os.environ | {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"},
            stdout=log,
            stderr=log,
        )
        try:
            _await(f"http://127.0.0.1:{port}/moto-api/", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=20)


def _serve(port: int) -> None:
    from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
    from moto.server import main as serve_moto

    # The one call of ours that moto 5.2.5 lacks: the tags of a scalable target. All of ours
    # carry the same.
    tags = json.dumps({"Tags": {"Application": "luminalib", "ManagedBy": "terraform"}})
    ApplicationAutoScalingResponse.list_tags_for_resource = lambda self: tags  # type: ignore[attr-defined]
    serve_moto(["-H", "127.0.0.1", "-p", str(port)])


def _await(address: str, server: "subprocess.Popen[bytes]") -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(120):
        if server.poll() is not None:
            raise Failed("moto did not start: is moto[server] installed in this Python?")
        try:
            direct.open(address, timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
    raise Failed("moto does not answer.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment(folder: Path, endpoint: str) -> dict[str, str]:
    """Nothing of the caller's: neither credentials nor proxies nor a real endpoint."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "rehearsal",
        "AWS_SECRET_ACCESS_KEY": "rehearsal",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "2",
        "CHECKPOINT_DISABLE": "1",
    }


def _say(words: str) -> None:
    sys.stdout.write(re.sub(r"^(?! )", f"{time.strftime('%H:%M:%S')} ", words) + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--plugin-dir", help="where Terraform's provider lies already")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        _serve(chosen.serve)
        return 0
    with tempfile.TemporaryDirectory(prefix="lumina-rehearsal-") as name:
        folder = Path(name)
        try:
            with pretended_cloud(folder) as endpoint:
                rehearse(Stage(folder, endpoint), chosen.plugin_dir)
        except (Failed, subprocess.TimeoutExpired) as fault:
            _say(f"FAILED: {fault}")
            return 1
    _say("The rehearsal passed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

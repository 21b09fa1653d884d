"""The Kubernetes manifests: they fit the schemas, take every privilege away, and agree with each other."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.settings import Settings

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("base", "gpu", "replicas", "ray")
KUBECTL = shutil.which("kubectl")
VERSIONS = ("1.30", kubernetes_validate.latest_version())

WHOLE = [
    path
    for path in sorted(KUBERNETES.rglob("*.yaml"))
    if path.name not in {"kustomization.yaml", "images.yaml", "ray-cluster.yaml"}
    and not (path.name == "deployment.yaml" and path.parent.name != "base")  # patches
]


def _read(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


@pytest.fixture(scope="module", params=OVERLAYS)
def objects(request) -> dict[tuple[str, str], dict[str, Any]]:
    """What an overlay makes, by kind and name."""
    if KUBECTL is None:
        pytest.skip("kubectl is not installed")
    made = subprocess.run(
        [KUBECTL, "kustomize", str(KUBERNETES / request.param)], capture_output=True, text=True, check=True
    )
    found = list(yaml.safe_load_all(made.stdout))
    by_name = {(each["kind"], each["metadata"]["name"]): each for each in found}
    assert len(by_name) == len(found)
    return by_name


@pytest.fixture
def pods(objects) -> list[dict[str, Any]]:
    """The template of every pod of an overlay."""
    templates = [objects["Deployment", "earsight"]["spec"]["template"]]
    if ("RayCluster", "earsight") in objects:
        spec = objects["RayCluster", "earsight"]["spec"]
        templates += [group["template"] for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]
    return templates


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_manifest_fits_the_schemas(path):
    for each in _read(path):
        for version in VERSIONS:
            kubernetes_validate.validate(each, version, strict=True)


def test_a_misspelt_field_is_found():
    (deployment,) = _read(KUBERNETES / "base" / "deployment.yaml")
    deployment["spec"]["template"]["spec"]["enableServiceLink"] = False
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)


def test_what_an_overlay_makes_fits_the_schemas(objects, pods):
    for (kind, _), each in objects.items():
        if kind != "RayCluster":
            for version in VERSIONS:
                kubernetes_validate.validate(each, version, strict=True)
    for template in pods:
        pod = {"apiVersion": "v1", "kind": "Pod", **template}
        kubernetes_validate.validate(pod, VERSIONS[-1], strict=True)


def test_a_ray_cluster_has_the_fields_that_kuberay_knows():
    (cluster,) = _read(KUBERNETES / "ray" / "ray-cluster.yaml")
    assert cluster["apiVersion"] == "ray.io/v1"
    assert set(cluster["spec"]) == {"rayVersion", "headGroupSpec", "workerGroupSpecs"}
    assert set(cluster["spec"]["headGroupSpec"]) == {"rayStartParams", "template"}
    for group in cluster["spec"]["workerGroupSpecs"]:
        assert set(group) == {
            *("groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template")
        }
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for group in (cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


@pytest.mark.parametrize("objects", ["ray"], indirect=True)
def test_the_api_joins_the_head_that_kuberay_makes(objects):
    (data,) = [each["data"] for (kind, _), each in objects.items() if kind == "ConfigMap"]
    assert data["EARSIGHT_JOBS__BACKEND"] == "ray"
    assert data["EARSIGHT_JOBS__RAY_ADDRESS"] == "earsight-head-svc:6379"  # NAME-head-svc


def test_pods_are_restricted(pods):
    """As the level `restricted` of the Pod Security Standards wants, and with a read-only file system."""
    for template in pods:
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False  # its variables would look like settings
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        for volume in spec["volumes"]:
            assert not {"hostPath"} & set(volume)
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }
            assert {"cpu", "memory"} <= set(container["resources"]["limits"])
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert {"/tmp"} <= {mount["mountPath"] for mount in container["volumeMounts"]}


def test_probes_ask_what_is_served(objects):
    from app.api.routes import operations

    served = {route.path for route in operations.router.routes}
    (container,) = objects["Deployment", "earsight"]["spec"]["template"]["spec"]["containers"]
    paths = {
        probe: container[probe]["httpGet"]["path"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    assert set(paths.values()) <= served


def test_a_pod_has_the_time_to_drain(objects):
    spec = objects["Deployment", "earsight"]["spec"]["template"]["spec"]
    pause_s = int(spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert spec["terminationGracePeriodSeconds"] > pause_s + Settings().server.drain_s


def test_only_settings_that_exist_are_named(objects):
    groups = Settings().model_dump()
    (data,) = [each["data"] for (kind, _), each in objects.items() if kind == "ConfigMap"]
    secrets = _read(KUBERNETES / "secrets.example.yaml")
    for variable in (*data, *(name for each in secrets for name in each["stringData"])):
        if variable.startswith("EARSIGHT_"):
            group, _, field = variable.removeprefix("EARSIGHT_").lower().partition("__")
            assert field in groups[group], variable


def test_every_config_map_and_secret_that_is_asked_for_exists(objects, pods):
    templates = {each["metadata"]["name"]: each for each in _read(KUBERNETES / "secrets.example.yaml")}
    config_maps = {name for kind, name in objects if kind == "ConfigMap"}
    for template in pods:
        for container in template["spec"]["containers"]:
            for source in container["envFrom"]:
                if "configMapRef" in source:
                    assert source["configMapRef"]["name"] in config_maps
                else:
                    assert source["secretRef"]["name"] in templates
            for variable in container.get("env", []):
                if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                    assert reference["key"] in templates[reference["name"]]["stringData"]
        for volume in template["spec"]["volumes"]:
            if "secret" in volume:
                assert volume["secret"]["secretName"] in templates
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                assert ("PersistentVolumeClaim", claim) in objects


def test_secrets_have_no_values_in_the_repository():
    for each in _read(KUBERNETES / "secrets.example.yaml"):
        assert set(each["stringData"].values()) == {"REPLACE"}


def test_policies_select_every_pod_and_let_in_only_clients(objects, pods):
    policies = [each["spec"] for (kind, _), each in objects.items() if kind == "NetworkPolicy"]
    for policy in policies:
        for template in pods:
            assert policy["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert any(policy["policyTypes"] == ["Ingress", "Egress"] for policy in policies)
    for rule in (rule for policy in policies for rule in policy.get("ingress", [])):
        assert rule["from"]


def test_images_have_the_version_of_the_project_and_the_target_of_the_overlay(objects, pods, request):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = {container["image"] for template in pods for container in template["spec"]["containers"]}
    (image,) = images
    found = re.fullmatch(rf"registry\.example\.com/earsight:{re.escape(version)}-(\w+)", image)
    assert found
    assert f" AS {found[1]}\n" in (ROOT / "Dockerfile").read_text()


def test_pods_that_come_and_go_keep_nothing(objects):
    volumes = objects["Deployment", "earsight"]["spec"]["template"]["spec"]["volumes"]
    (jobs,) = [volume for volume in volumes if volume["name"] == "jobs"]
    if ("HorizontalPodAutoscaler", "earsight") in objects:
        assert set(jobs) == {"name", "emptyDir"}
        assert ("PodDisruptionBudget", "earsight") in objects
        assert "replicas" not in objects["Deployment", "earsight"]["spec"]
    else:
        assert objects["Deployment", "earsight"]["spec"]["replicas"] == 1
        assert objects["Deployment", "earsight"]["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("objects", ["ray"], indirect=True)
def test_all_pods_of_a_ray_cluster_have_its_token_and_only_the_api_the_password_of_the_database(
    objects, pods
):
    containers = [template["spec"]["containers"][0] for template in pods]
    assert all(container["env"] == containers[0]["env"] for container in containers)
    assert {variable["name"] for variable in containers[0]["env"]} == {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN"}
    api, *nodes = [str(container["envFrom"]) for container in containers]
    assert "earsight-database" in api
    assert "earsight-s3" in api
    assert set(nodes) == {"[{'secretRef': {'name': 'earsight-s3'}}]"}

"""The compose files, as far as they can be checked without an engine."""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from compose_spec import PyCompose

from app.settings import Settings

ROOT = Path(__file__).parents[2]
FILES = ("docker-compose.yml", "deploy/docker-compose.cluster.yml")
DOCUMENTS = {name: yaml.safe_load((ROOT / name).read_text()) for name in FILES}
SERVICES = {name: each for document in DOCUMENTS.values() for name, each in document["services"].items()}
APIS = {name: each for name, each in SERVICES.items() if name.startswith("earsight-")}
NODES = {name: each for name, each in SERVICES.items() if name.startswith("ray-")}
OTHERS = {name: each for name, each in SERVICES.items() if name not in APIS | NODES}
OBSERVABILITY = ROOT / "deploy" / "observability"


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_a_compose_file(name):
    PyCompose.from_json(json.dumps(DOCUMENTS[name]))


def test_a_misspelt_key_is_found():
    with pytest.raises(ValueError, match="cap_dorp"):
        PyCompose.from_json(json.dumps({"services": {"one": {"image": "one:1", "cap_dorp": ["ALL"]}}}))


def test_each_target_has_a_service_under_the_profile_of_its_name():
    assert {
        name: (each["profiles"], each["build"]["target"], each["image"]) for name, each in APIS.items()
    } == {f"earsight-{name}": ([name], name, f"earsight:{name}") for name in ("cpu", "gpu", "cluster")}


def test_nothing_starts_without_a_profile():
    assert {profile for each in SERVICES.values() for profile in each["profiles"]} == {
        *("cpu", "gpu", "cluster", "observability")
    }


@pytest.mark.parametrize("each", (APIS | NODES).values(), ids=APIS | NODES)
def test_every_privilege_is_taken_away(each):
    assert each["read_only"] is True
    assert each["cap_drop"] == ["ALL"]
    assert each["security_opt"] == ["no-new-privileges:true"]
    assert each["user"] == "10001:10001"
    assert any(mount.startswith("/tmp:") for mount in each["tmpfs"])


@pytest.mark.parametrize("each", OTHERS.values(), ids=OTHERS)
def test_images_of_others_have_a_version_and_gain_no_privileges(each):
    assert re.search(r":v?\d+\.\d+", each["image"])
    assert each["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("each", SERVICES.values(), ids=SERVICES)
def test_a_port_is_published_on_this_machine_only(each):
    assert all(port.startswith("127.0.0.1:") for port in each.get("ports", []))


def test_everybody_may_come_in_and_the_file_says_how_to_use_keys():
    text = (ROOT / "docker-compose.yml").read_text()
    assert re.search(r"#\s+EARSIGHT_AUTH__KEYS_FILE: /etc/earsight/", text)
    assert ":/etc/earsight:ro" in text  # the directory: a file that is mounted would not change when replaced
    for each in APIS.values():
        assert each["environment"]["EARSIGHT_AUTH__ALLOW_ANONYMOUS"] == "true"
        assert each["ports"] == ["127.0.0.1:8000:8000"]


def test_volumes_lie_where_the_image_has_the_jobs_and_are_declared():
    for document in DOCUMENTS.values():
        mounts = [mount for each in document["services"].values() for mount in each.get("volumes", [])]
        named = {mount.partition(":")[0] for mount in mounts if not mount.startswith(".")}
        assert named == set(document["volumes"])
    for each in APIS.values():
        assert [mount.partition(":")[2] for mount in each["volumes"]] == ["/var/lib/earsight"]


@pytest.mark.parametrize("each", SERVICES.values(), ids=SERVICES)
def test_memory_and_processors_are_limited(each):
    limits = each["deploy"]["resources"]["limits"]
    assert {"cpus", "memory"} <= set(limits)
    # Scratch space and shared memory count towards the memory limit: all must fit.
    sizes = [re.search(r"size=(\d+)g", mount) for mount in each.get("tmpfs", [])]
    scratch = sum(int(size[1]) for size in sizes if size) + int(each.get("shm_size", "0g").removesuffix("g"))
    assert int(limits["memory"].removesuffix("g")) >= scratch + 1


@pytest.mark.parametrize("each", (APIS | NODES).values(), ids=APIS | NODES)
def test_processes_are_limited_once(each):
    assert each["deploy"]["resources"]["limits"]["pids"] > 0
    assert "pids_limit" not in each  # compose refuses both


@pytest.mark.parametrize("each", APIS.values(), ids=APIS)
def test_compose_waits_longer_than_the_service_drains(each):
    assert int(each["stop_grace_period"].removesuffix("s")) > Settings().server.drain_s


@pytest.mark.parametrize("each", (APIS | NODES).values(), ids=APIS | NODES)
def test_only_settings_that_exist_are_named(each):
    groups = Settings().model_dump()
    for variable in each["environment"]:
        if variable.startswith("EARSIGHT_"):
            group, _, field = variable.removeprefix("EARSIGHT_").lower().partition("__")
            assert field in groups[group], variable


def test_only_the_gpu_service_reserves_a_gpu():
    reserving = [name for name, each in SERVICES.items() if "reservations" in each["deploy"]["resources"]]
    assert reserving == ["earsight-gpu"]
    (device,) = APIS["earsight-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_a_password_is_asked_for_and_never_guessed():
    example = (ROOT / "deploy" / "cluster.env").read_text()
    assert "COMPOSE_FILE=docker-compose.yml:deploy/docker-compose.cluster.yml\n" in example
    asked_for = set()
    for name in FILES:
        for variable, rest in re.findall(r"\$\{(\w+)([^}]*)\}", (ROOT / name).read_text()):
            assert rest.startswith(":?"), variable
            asked_for.add(variable)
    assert asked_for == set(re.findall(r"^(\w+)=", example, re.M)) - {"COMPOSE_FILE"}
    for secret in ("POSTGRES_PASSWORD", "S3_SECRET_KEY", "RAY_AUTH_TOKEN"):
        assert f"\n{secret}=\n" in example


def test_the_file_for_one_machine_asks_for_nothing():
    # Compose fills in the variables of all services of a file, those of other profiles too.
    assert "${" not in (ROOT / "docker-compose.yml").read_text()


def test_the_passwords_stay_out_of_version_control():
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def test_a_cluster_starts_in_order():
    for name in ("earsight-cluster", "ray-worker"):
        assert SERVICES[name]["depends_on"] == {
            other: {"condition": "service_healthy"} for other in ("postgres", "ray-head", "s3")
        }
    for each in SERVICES.values():
        for other, how in each.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in SERVICES[other]


def test_the_parts_of_a_cluster_agree_on_where_things_are():
    environment = APIS["earsight-cluster"]["environment"]
    for node in NODES.values():
        assert node["environment"].items() <= environment.items()
        assert "POSTGRES_PASSWORD" not in str(node)
        assert node["image"] == APIS["earsight-cluster"]["image"]
    database = urlsplit(environment["EARSIGHT_JOBS__DATABASE_URL"].replace(":?set it in .env", ""))
    assert database.hostname == "postgres"
    assert database.path == "/" + SERVICES["postgres"]["environment"]["POSTGRES_DB"]
    assert database.username == SERVICES["postgres"]["environment"]["POSTGRES_USER"]
    assert urlsplit(environment["AWS_ENDPOINT_URL"]).hostname == "s3"
    assert environment["EARSIGHT_JOBS__RAY_ADDRESS"] == "ray-head:6379"
    assert f"--address={environment['EARSIGHT_JOBS__RAY_ADDRESS']}" in SERVICES["ray-worker"]["command"]
    assert environment["RAY_AUTH_MODE"] == "token"


def test_only_the_api_of_a_cluster_can_be_reached_from_outside_its_network():
    document = DOCUMENTS["deploy/docker-compose.cluster.yml"]
    assert document["networks"]["cluster"] == {"internal": True}
    for name, each in document["services"].items():
        if name != "earsight-cluster":
            assert each["networks"] == ["cluster"]
            assert "ports" not in each


def test_prometheus_looks_for_the_name_that_every_api_has():
    configuration = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())
    (job,) = configuration["scrape_configs"]
    (target,) = job["dns_sd_configs"]
    assert job["job_name"] == "earsight"  # the alerts name it
    assert target["port"] == 8000
    for each in APIS.values():
        assert each["networks"]["default"]["aliases"] == target["names"]


def test_every_file_that_is_mounted_exists_and_the_alerts_lie_beside_the_configuration():
    mounts = [mount.split(":") for each in OTHERS.values() for mount in each.get("volumes", [])]
    mounted = {inside: ROOT / outside for outside, inside, *_ in mounts if outside.startswith(".")}
    assert all(path.exists() for path in mounted.values())
    (rules,) = yaml.safe_load(mounted["/etc/prometheus/prometheus.yml"].read_text())["rule_files"]
    assert yaml.safe_load(mounted[f"/etc/prometheus/{rules}"].read_text())["groups"]


def test_grafana_shows_the_dashboard_from_prometheus_and_asks_for_no_password():
    grafana = SERVICES["grafana"]
    (source,) = yaml.safe_load((OBSERVABILITY / "grafana/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["type"] == "prometheus"
    assert urlsplit(source["url"]).hostname in SERVICES
    (provider,) = yaml.safe_load((OBSERVABILITY / "grafana/dashboards/earsight.yml").read_text())["providers"]
    (mount,) = [mount for mount in grafana["volumes"] if mount.startswith("./docs/dashboards/")]
    outside, inside, _ = mount.split(":")
    assert Path(inside).parent == Path(provider["options"]["path"])
    assert inside == grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert json.loads((ROOT / outside).read_text())["title"] == "Earsight"
    assert grafana["environment"]["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"

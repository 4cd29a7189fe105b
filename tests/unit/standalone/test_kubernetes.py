"""The manifests: whole, confined, without secrets, and of one mind with the compose file and the settings."""

import ipaddress
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from inference.types import Modality
from webhooks import addresses

REPOSITORY = Path(__file__).parents[3]
KUBERNETES = REPOSITORY / "deploy" / "kubernetes"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(
    (REPOSITORY / "docker-compose.yml").read_text("utf-8")
)["services"]
# What runs in both, by its name in the compose file and its component in the cluster.
SAME = {name: name for name in ("flower", "maintenance", "migrate", "webhooks")} | {
    name: name for name in SERVICES if name.startswith("worker-")
}
OVERLAYS = ("cpu", "gpu")


def documents(path: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(path.read_text("utf-8")) if one]


BASE = [one for path in sorted((KUBERNETES / "base").glob("*.yaml")) for one in documents(path)]


def component(name: str) -> dict[str, Any]:
    """Return the Deployment or Job of a component, as the base has it before its patches."""
    (found,) = [
        one
        for one in BASE
        if one["kind"] in ("Deployment", "Job")
        and one["metadata"].get("labels", {}).get("app.kubernetes.io/component") == name
    ]
    return found


def named(kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in BASE if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def container(one: dict[str, Any]) -> dict[str, Any]:
    (only,) = one["spec"]["template"]["spec"]["containers"]
    return dict(only)


@cache
def built(overlay: str) -> list[dict[str, Any]]:
    """Return what an overlay comes to; skips, with the reason, where nothing can build it."""
    kubectl, kustomize = shutil.which("kubectl"), shutil.which("kustomize")
    if kubectl is None and kustomize is None:
        pytest.skip("NOT RUN: there is neither kubectl nor kustomize here.")
    argv = [kustomize, "build"] if kubectl is None else [kubectl, "kustomize"]
    done = subprocess.run(
        [*map(str, argv), str(KUBERNETES / "overlays" / overlay)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def pods(overlay: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        (one["metadata"]["name"], one["spec"]["template"]["spec"])
        for one in built(overlay)
        if one["kind"] in ("Deployment", "Job")
    ]


class TestFiles:
    def test_every_file_is_named_and_every_name_is_a_file(self) -> None:
        listed = set()
        for path in KUBERNETES.rglob("kustomization.yaml"):
            (one,) = documents(path)
            own = [*one.get("resources", ()), *one.get("components", ())]
            own += [patch["path"] for patch in one.get("patches", ())]
            listed |= {(path.parent / name).resolve() for name in own}

        assert [one for one in listed if not one.exists()] == []
        files = {one.resolve() for one in KUBERNETES.rglob("*.yaml")}
        unnamed = {one for one in files - listed if one.name != "kustomization.yaml"}
        assert unnamed == set()

    def test_no_secret_is_here(self) -> None:
        text = "".join(one.read_text("utf-8") for one in KUBERNETES.rglob("*.yaml"))

        assert not re.search(r"^kind: Secret$", text, re.MULTILINE)
        settings = named("ConfigMap", "genie-settings")["data"]
        words = ("SECRET", "PEPPER", "KEY", "PASSWORD", "_URL", "AUTH")
        assert [n for n in settings if any(w in n for w in words)] == ["GENIE_BASE_URL"]


class TestOneMind:
    @pytest.mark.parametrize(("service", "name"), sorted(SAME.items()))
    def test_each_component_runs_what_its_service_runs(self, service: str, name: str) -> None:
        """What the compose file starts is started by a test."""
        assert container(component(name))["args"] == SERVICES[service]["command"]
        assert container(component(name))["image"] == SERVICES[service]["image"]

    def test_every_modality_has_a_worker(self) -> None:
        args = [container(component(n))["args"] for n in SAME if n.startswith("worker-")]
        served = ",".join(one[one.index("-Q") + 1] for one in args).split(",")

        assert sorted(served) == sorted(map(str, Modality))

    @pytest.mark.parametrize("name", [n for n in SAME if n.startswith("worker-")])
    def test_a_worker_is_given_longer_than_it_drains(self, name: str) -> None:
        settings = named("ConfigMap", "genie-settings")["data"]
        grace_s = component(name)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]

        assert grace_s >= int(settings["GENIE_DRAIN_S"]) + 20  # and the engine's end

    def test_house_is_kept_once(self) -> None:
        spec = component("maintenance")["spec"]

        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})

    def test_no_probe_of_the_web_depends_on_anybody_else(self) -> None:
        web = container(component("web"))
        probes = [web[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness")]

        assert [one["httpGet"]["path"] for one in probes] == ["/health"] * 3


class TestNetwork:
    def outside(self) -> dict[str, Any]:
        (rule,) = named("NetworkPolicy", "genie-outside")["spec"]["egress"]
        return dict(rule)

    def test_webhooks_are_kept_from_whatever_is_not_public(self) -> None:
        block, public6 = (one["ipBlock"] for one in self.outside()["to"])
        excepted = [ipaddress.ip_network(one) for one in block["except"]]

        for network in excepted:
            assert not addresses.address_allowed(str(network[0]), development=False), network
        inside = (
            *(one for one in addresses.NEVER if one.version == 4),
            *(one for one in addresses.DEVELOPMENT if one.version == 4),
        )
        for address in (one[0] for one in inside):
            assert any(address in network for network in excepted), address
        assert ipaddress.ip_network(public6["cidr"]) == ipaddress.ip_network("2000::/3")

    def test_ports_are_those_of_the_settings(self) -> None:
        text = (REPOSITORY / "genie" / "settings" / "outbound.py").read_text("utf-8")
        found = re.search(r'"GENIE_OUTBOUND_PORTS", "([\d,-]+)"', text)
        assert found

        ports = [
            f"{one['port']}-{one['endPort']}" if "endPort" in one else str(one["port"])
            for one in self.outside()["ports"]
        ]
        assert ports == found[1].split(",")


@pytest.mark.parametrize("overlay", OVERLAYS)
class TestBuilt:
    def test_every_pod_is_confined(self, overlay: str) -> None:
        """As the restricted Pod Security Standard demands, and with nothing to write to but volumes."""
        assert len(pods(overlay)) >= 8
        for name, pod in pods(overlay):
            assert pod["securityContext"]["runAsNonRoot"] is True, name
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
            assert pod["automountServiceAccountToken"] is False, name
            for one in (*pod["containers"], *pod.get("initContainers", ())):
                context = one["securityContext"]
                assert context["allowPrivilegeEscalation"] is False, name
                assert context["readOnlyRootFilesystem"] is True, name
                assert context["capabilities"] == {"drop": ["ALL"]}, name
                assert {"cpu", "memory"} <= set(one["resources"]["requests"]), name
                assert "memory" in one["resources"]["limits"], name
                assert one["image"].startswith("registry.example.com/genie-"), name

    def test_every_pod_that_stays_is_probed_and_starts_after_the_migration(
        self, overlay: str
    ) -> None:
        for one in built(overlay):
            if one["kind"] == "Deployment":
                pod = one["spec"]["template"]["spec"]
                (own,) = pod["containers"]
                assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(own)
                assert [each["name"] for each in pod["initContainers"]] == ["after-migration"]

    def test_every_selector_finds_pods(self, overlay: str) -> None:
        labels = [
            one["spec"]["template"]["metadata"]["labels"]
            for one in built(overlay)
            if one["kind"] in ("Deployment", "Job")
        ]
        for one in built(overlay):
            spec = one.get("spec", {})
            wanted = {
                "Service": spec.get("selector"),
                "PodDisruptionBudget": spec.get("selector", {}).get("matchLabels"),
                "NetworkPolicy": spec.get("podSelector", {}).get("matchLabels", {}),
            }.get(one["kind"])
            if wanted is not None:
                assert any(wanted.items() <= one.items() for one in labels), one["metadata"]

    def test_streams_are_not_held_up_and_files_fit(self, overlay: str) -> None:
        (ingress,) = [one for one in built(overlay) if one["kind"] == "Ingress"]
        said = {k.rpartition("/")[2]: v for k, v in ingress["metadata"]["annotations"].items()}

        assert said["proxy-buffering"] == "off"
        assert int(said["proxy-body-size"].removesuffix("m")) > 200


class TestGpus:
    def test_chat_and_media_have_gpus_and_embeddings_none(self) -> None:
        with_gpu = {
            name
            for name, pod in pods("gpu")
            if "nvidia.com/gpu" in pod["containers"][0]["resources"]["limits"]
        }

        assert with_gpu == {"genie-worker-chat", "genie-worker-media"}

    def test_each_group_of_workers_follows_its_own_queues(self) -> None:
        scaled = {
            one["metadata"]["name"]: one for one in built("gpu") if one["kind"] == "ScaledObject"
        }

        assert set(scaled) == {f"genie-{n}" for n in SAME if n.startswith("worker-")}
        for name, one in scaled.items():
            args = container(component(name.removeprefix("genie-")))["args"]
            queues = args[args.index("-Q") + 1].split(",")
            for trigger in one["spec"]["triggers"]:
                named = re.findall(r"ARRAY\[([^]]+)\]", trigger["metadata"]["query"])
                assert {", ".join(f"'{queue}'" for queue in queues)} == set(named)

import base64
import json
from typing import Any

import pytest

from boxship.terms import errors, oci, platforms

DIGEST = "sha256:" + "a" * 64
CONFIG: dict[str, Any] = {"mediaType": oci.CONFIG, "digest": DIGEST, "size": 2}
LAYER: dict[str, Any] = {"mediaType": oci.LAYER_GZIP, "digest": "sha256:" + "b" * 64, "size": 3}


def manifest(**changes: Any) -> bytes:
    fields = {"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": CONFIG, "layers": [LAYER], **changes}
    return json.dumps({key: value for key, value in fields.items() if value is not ...}).encode()


def test_reads_a_manifest_and_writes_it_again() -> None:
    found = oci.parse_manifest(manifest(annotations={"a": "b"}))
    assert found.config == oci.Descriptor(media_type=oci.CONFIG, digest=DIGEST, size=2)
    assert [layer.size for layer in found.layers] == [3]
    assert json.loads(manifest(annotations={"a": "b"})) == found.to_json()


def test_reads_an_index_with_platforms() -> None:
    entry = {**CONFIG, "mediaType": oci.MANIFEST, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}
    found = oci.parse_index(json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
    assert found.media_type == oci.INDEX
    assert found.manifests[0].platform == platforms.Platform(os="linux", architecture="arm64", variant="v8")
    assert oci.parse_index(json.dumps(found.to_json()).encode()) == found


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (manifest(manifests=[]), "both manifests and layers"),
        (manifest(config=..., layers=...), "neither manifests nor layers"),
        (manifest(mediaType=oci.INDEX), "contradicts"),
        (manifest(config=...), "no config"),
        (manifest(layers={}), "no list"),
        (manifest(layers=[{**LAYER, "size": -1}]), "size -1"),
        (manifest(layers=[{**LAYER, "size": 1.0}]), "size 1.0"),
        (manifest(layers=[{**LAYER, "size": "3"}]), "size '3'"),
        (manifest(layers=[{**LAYER, "size": True}]), "size True"),
        (manifest(layers=[{**LAYER, "size": 2**63}]), "64 bits"),
        (manifest(layers=[{**LAYER, "digest": "sha256:../../x"}]), "digest"),
        (manifest(layers=[{**LAYER, "digest": "sha256:" + "A" * 64}]), "digest"),
        (manifest(layers=[{**LAYER, "digest": DIGEST + "\n"}]), "digest"),
        (manifest(layers=[{**LAYER, "digest": "sha999:" + "a" * 64}]), "digest"),
        (manifest(layers=[{**LAYER, "digest": ...} | {"digest": None}]), "digest"),
        (manifest(annotations={"a": 1}), "annotations"),
        (manifest(layers=..., Layers=[LAYER]), "must be written 'layers'"),
        (manifest(layers=[{**LAYER, "Digest": DIGEST}]), "must be written 'digest'"),
        (b"[]", "no JSON object"),
    ],
)
def test_refuses_a_manifest_with_two_meanings(data: bytes, cause: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=cause):
        oci.parse(data)


@pytest.mark.parametrize("fields", [{"fsLayers": []}, {"schemaVersion": 1}, {"mediaType": oci.DOCKER_SCHEMA1_SIGNED}])
def test_schema_1_is_over(fields: dict[str, Any]) -> None:
    with pytest.raises(errors.NotImplemented, match="schema 1"):
        oci.parse(manifest(**fields))


def test_the_announced_type_counts_where_none_is_written() -> None:
    assert oci.parse(manifest(mediaType=...), f"{oci.DOCKER_MANIFEST}; charset=utf-8").media_type == oci.DOCKER_MANIFEST
    assert oci.parse(manifest(mediaType=...)).media_type == oci.MANIFEST
    with pytest.raises(errors.InvalidArgument, match="announced"):
        oci.parse(manifest(), oci.DOCKER_MANIFEST)
    with pytest.raises(errors.InvalidArgument, match="contradicts"):
        oci.parse(manifest(mediaType=...), oci.INDEX)


def test_a_document_of_the_other_kind_is_refused() -> None:
    with pytest.raises(errors.InvalidArgument, match="not a manifest"):
        oci.parse_manifest(b'{"manifests":[]}')
    with pytest.raises(errors.InvalidArgument, match="not an index"):
        oci.parse_index(manifest())


def test_embedded_data_is_decoded() -> None:
    value = {**CONFIG, "data": base64.b64encode(b"{}").decode()}
    assert oci.Descriptor.from_json(value).data == b"{}"
    with pytest.raises(errors.InvalidArgument, match="base64"):
        oci.Descriptor.from_json({**CONFIG, "data": "?"})


def test_reads_a_configuration() -> None:
    image = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-01T00:00:00Z",
        "config": {
            "User": "1000:1000",
            "Env": ["A=b"],
            "Entrypoint": ["/e"],
            "Cmd": None,
            "WorkingDir": "/w",
            "StopSignal": "SIGTERM",
            "ExposedPorts": {"80/tcp": {}},
            "Volumes": {"/v": {}},
            "Labels": {"l": "m"},
            "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5},
        },
        "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
    }
    found = oci.parse_config(json.dumps(image).encode())
    assert found == oci.ImageConfig(
        platform=platforms.Platform(os="linux", architecture="amd64"),
        diff_ids=(DIGEST,),
        created="2026-01-01T00:00:00Z",
        user="1000:1000",
        env=("A=b",),
        entrypoint=("/e",),
        working_dir="/w",
        stop_signal="SIGTERM",
        exposed_ports=("80/tcp",),
        volumes=("/v",),
        labels={"l": "m"},
        healthcheck=oci.Healthcheck(test=("CMD", "true"), interval=5),
    )


@pytest.mark.parametrize(
    ("image", "cause"),
    [
        ({"rootfs": {"type": "magic"}}, "magic"),
        ({"rootfs": {"diff_ids": ["x"]}}, "digest"),
        ({"config": {"Env": "A=b"}}, "Env"),
        ({"config": {"Cmd": ["a\0b"]}}, "NUL"),
        ({"config": {"Volumes": []}}, None),
        ({"config": {"Volumes": ["/v"]}}, "no JSON object"),
        ({"config": {"Labels": None}}, None),
        ({"config": {"env": []}}, "must be written 'Env'"),
        ({"Config": {}}, "must be written 'config'"),
        ({"config": {"Healthcheck": {"Interval": -1}}}, "Healthcheck"),
    ],
)
def test_refuses_a_configuration_of_wrong_kinds(image: dict[str, Any], cause: str | None) -> None:
    data = json.dumps(image).encode()
    if cause is None:
        oci.parse_config(data)
    else:
        with pytest.raises(errors.InvalidArgument, match=cause):
            oci.parse_config(data)


def test_knows_layers() -> None:
    assert oci.is_layer(oci.LAYER_ZSTD)
    assert oci.is_layer(oci.LAYER_GZIP + "+encrypted")
    assert oci.is_layer(oci.DOCKER_FOREIGN_LAYER_GZIP)
    assert not oci.is_layer(oci.CONFIG)

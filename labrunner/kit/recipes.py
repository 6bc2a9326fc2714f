"""The recipes of the kit's images: what each is made of, if it cannot be pulled.

To add an image, add a `Recipe` to `RECIPES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Recipe:
    """What an image is made of.

    packages: Debian packages; the image has the version of the first. For `new | old`, the first
              one that this release has is used.
    module:   a Go module with its version, for what no package has. The image has its version.
    sources:  Go files that take the place of the module's own, by their paths in it. The first one
              is in the folder of the program, which is compiled here.
    programs: for each path in the image, the path in the packages, whose name may be a pattern, or
              the module's program.
    trees:    patterns of folders in the packages that the image gets whole.
              Of programs and of trees, the libraries that they load are added.
    files:    the text for each path in the image; one that starts with `#!` is executable.
    folders:  empty folders.
    busybox:  whether to add busybox with all its tools.
    changes:  the image's configuration, as Dockerfile instructions.
    """

    packages: tuple[str, ...] = ()
    module: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    programs: Mapping[str, str] = field(default_factory=dict)
    trees: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    busybox: bool = False
    changes: tuple[str, ...] = ()


# The 2.x image's own settings: deletion stays off, and the access log goes to standard output.
REGISTRY_CONFIG = """\
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
"""

# The 3.x image's own settings: deletion is on.
REGISTRY_3_CONFIG = REGISTRY_CONFIG.replace(
    "storage:\n", "storage:\n  delete:\n    enabled: true\n"
)

REGISTRY_3 = "github.com/distribution/distribution/v3"

# The module's own program without what takes most of the time to compile: the storage in clouds,
# and traces, which the official image has switched off.
REGISTRY_3_MAIN = f"""\
package main

import (
	_ "net/http/pprof"

	"{REGISTRY_3}/registry"
	_ "{REGISTRY_3}/registry/auth/htpasswd"
	_ "{REGISTRY_3}/registry/auth/silly"
	_ "{REGISTRY_3}/registry/auth/token"
	_ "{REGISTRY_3}/registry/proxy"
	_ "{REGISTRY_3}/registry/storage/driver/filesystem"
	_ "{REGISTRY_3}/registry/storage/driver/inmemory"
	_ "{REGISTRY_3}/registry/storage/driver/middleware/redirect"
	_ "{REGISTRY_3}/registry/storage/driver/middleware/rewrite"
)

func main() {{
	registry.RootCmd.Execute()
}}
"""

REGISTRY_3_TRACING = """\
package tracing

import "context"

const AttributePrefix = "io.cncf.distribution."

func InitOpenTelemetry(context.Context) error { return nil }
"""

# Behaves like the official image's: a configuration is served, a command of the registry's goes
# to the registry, anything else is run.
REGISTRY_ENTRYPOINT = """\
#!/bin/sh
case "$1" in
    -* | help | serve | garbage-collect) exec registry "$@" ;;
    *.yml | *.yaml) exec registry serve "$@" ;;
    *) exec "$@" ;;
esac
"""

# Behaves like the official image's in what the course needs: options go to dockerd, anything else
# is run. `container` keeps dockerd from loading AppArmor profiles, which are the host's affair.
DIND_ENTRYPOINT = """\
#!/bin/sh
case "$1" in
    "" | -*) set -- dockerd "$@" ;;
esac
if [ "$1" = dockerd ]; then
    export container=docker
    # Left behind by a kill, they would keep dockerd from starting.
    rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid
    # In a version 2 cgroup of its own: only where its processes are in one below can it have more.
    cd /sys/fs/cgroup
    if [ -f cgroup.controllers ] && [ -f cgroup.events ] && [ -w cgroup.procs ]; then
        mkdir -p init
        xargs -rn1 <cgroup.procs >init/cgroup.procs
        sed -e 's/ / +/g' -e 's/^/+/' <cgroup.controllers >cgroup.subtree_control
    fi 2>/dev/null
    cd /
fi
exec "$@"
"""

# The official image's own settings in what the course needs: the page of /usr/share/nginx/html on
# port 80, and more servers in /etc/nginx/conf.d.
NGINX_CONFIG = """\
user nginx;
pid /run/nginx.pid;
error_log /dev/stderr notice;
events {}
http {
    include mime.types;
    default_type application/octet-stream;
    access_log /dev/stdout combined;
    include conf.d/*.conf;
}
"""

NGINX_SERVER = """\
server {
    listen 80;
    location / {
        root /usr/share/nginx/html;
        index index.html;
    }
}
"""

NGINX_PAGE = """\
<!DOCTYPE html>
<title>Welcome to nginx!</title>
<h1>Welcome to nginx!</h1>
"""

RECIPES = {
    "registry:2": Recipe(
        packages=("docker-registry",),
        programs={"/bin/registry": "/usr/bin/docker-registry"},
        files={
            "/etc/docker/registry/config.yml": REGISTRY_CONFIG,
            "/entrypoint.sh": REGISTRY_ENTRYPOINT,
        },
        folders=("/etc/ssl/certs", "/var/lib/registry"),
        busybox=True,
        changes=(
            'ENTRYPOINT ["/entrypoint.sh"]',
            'CMD ["/etc/docker/registry/config.yml"]',
            "EXPOSE 5000",
            "VOLUME /var/lib/registry",
        ),
    ),
    "registry:3": Recipe(
        module=f"{REGISTRY_3}@v3.1.1",
        sources={
            "cmd/registry/main.go": REGISTRY_3_MAIN,
            "tracing/tracing.go": REGISTRY_3_TRACING,
            "tracing/exporter.go": "package tracing\n",
        },
        programs={"/bin/registry": "registry"},
        files={
            "/etc/distribution/config.yml": REGISTRY_3_CONFIG,
            "/entrypoint.sh": REGISTRY_ENTRYPOINT,
        },
        folders=("/etc/ssl/certs", "/var/lib/registry"),
        busybox=True,
        changes=(
            "ENV OTEL_TRACES_EXPORTER=none",  # nobody collects its traces
            'ENTRYPOINT ["/entrypoint.sh"]',
            'CMD ["/etc/distribution/config.yml"]',
            "EXPOSE 5000",
            "VOLUME /var/lib/registry",
        ),
    ),
    "busybox:stable": Recipe(busybox=True, changes=('CMD ["sh"]',)),
    "httpd:2": Recipe(  # for its htpasswd alone
        packages=("apache2-utils",),
        programs={"/usr/local/apache2/bin/htpasswd": "/usr/bin/htpasswd"},
        changes=(
            "ENV PATH=/usr/local/apache2/bin:/usr/local/bin:/usr/bin:/bin",
            'CMD ["htpasswd"]',
        ),
    ),
    "nginx:latest": Recipe(
        packages=("nginx", "nginx-common"),
        programs={"/usr/sbin/nginx": "/usr/sbin/nginx"},
        files={
            "/etc/nginx/mime.types": "types { text/html html; text/plain txt; }\n",
            "/etc/nginx/nginx.conf": NGINX_CONFIG,
            "/etc/nginx/conf.d/default.conf": NGINX_SERVER,
            "/usr/share/nginx/html/index.html": NGINX_PAGE,
            "/etc/passwd": "root:x:0:0::/root:/bin/sh\nnginx:x:101:101::/nonexistent:/bin/false\n",
            "/etc/group": "root:x:0:\nnginx:x:101:\n",
        },
        folders=("/run", "/var/lib/nginx", "/var/log/nginx"),
        busybox=True,
        changes=(
            'CMD ["nginx", "-g", "daemon off;"]',
            "EXPOSE 80",
        ),
    ),
    # For the image of the course: what its Dockerfile needs of Docker's `python`, and all that it
    # would add to that. The first of these releases that Debian or Ubuntu has here is taken.
    "python:3-slim": Recipe(
        packages=(
            *(
                " | ".join(name.format(number) for number in (14, 13, 12, 11, 10))
                for name in (
                    "python3.{}-minimal",
                    "libpython3.{}-minimal",
                    "libpython3.{}-stdlib",
                    "python3.{}-venv",
                )
            ),
            "python3-pip-whl",
            "python3-setuptools-whl",
            "docker-cli | docker.io",
            "bash",
            "curl",
            "libc6",  # wheels from PyPI count on all of these three
            "libgcc-s1",
            "libstdc++6",
            "ncurses-base",
            "openssl",
        ),
        programs={
            "/usr/bin/python3": "/usr/bin/python3.*",
            "/bin/bash": "/bin/bash",
            "/usr/bin/curl": "/usr/bin/curl",
            "/usr/bin/docker": "/usr/bin/docker",
            "/usr/bin/openssl": "/usr/bin/openssl",
        },
        trees=(
            "usr/lib/python3.*",
            "usr/share/python-wheels",
            "**/*-linux-gnu",
            "**/terminfo",
            "etc/ssl",
            "usr/lib/ssl",
        ),
        busybox=True,
        changes=(
            "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            'CMD ["python3"]',
        ),
    ),
    "docker:dind": Recipe(
        packages=("docker.io", "docker-cli | docker.io", "containerd", "runc", "iptables"),
        programs={
            "/usr/local/bin/docker": "/usr/bin/docker",
            "/usr/local/bin/dockerd": "/usr/sbin/dockerd",
            "/usr/local/bin/docker-proxy": "/usr/sbin/docker-proxy",
            "/usr/local/bin/containerd": "/usr/bin/containerd",
            "/usr/local/bin/containerd-shim-runc-v2": "/usr/bin/containerd-shim-runc-v2",
            "/usr/local/bin/runc": "/usr/sbin/runc",
            "/usr/sbin/iptables": "/usr/sbin/xtables-nft-multi",
            "/usr/sbin/ip6tables": "/usr/sbin/xtables-nft-multi",
        },
        trees=("usr/lib/*/xtables",),
        files={"/usr/local/bin/dockerd-entrypoint.sh": DIND_ENTRYPOINT},
        folders=("/etc/docker", "/run", "/var/lib/docker", "/var/run"),
        busybox=True,
        changes=(
            "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            'ENTRYPOINT ["dockerd-entrypoint.sh"]',
            "EXPOSE 2375 2376",
            "VOLUME /var/lib/docker",
        ),
    ),
}

"""A whole Azure tenant on loopback, for the demo, the tests and the benchmarks; never deployed.

    from simulator import running

    with running(tenant_dir) as sim:
        os.environ.update(sim.environment)

A tenant is a folder of raw bodies that are served as they are:

    TENANT/arm/**/*.json                      ARM resource bodies, found by their `id`
    TENANT/authorization/*.json               role assignments, role definitions, deny assignments
    TENANT/authorization/groups.json          {group object id: [member object ids]}
    TENANT/authorization/managementGroups.json {name: {"parent": name | null, "subscriptions": [ids]}}
    TENANT/authorization/caller.json          what the app itself may do and may not (entra/app_permissions.py)
    TENANT/graph/*.json                       service principals, users, applications
    TENANT/kubernetes/<cluster name>/*.json   Kubernetes objects; without the folder the API server is out of reach
    TENANT/registries/<login server>.json     what the registry holds (registry/hosts.py)
    TENANT/buckets.json                       how many requests ARM takes (arm/buckets.py)
    TENANT/faults.json                        what goes wrong (faults.py)
"""

from simulator.background import Simulator, running, running_async
from simulator.graph.service import SentMail
from simulator.server import RequestRecord

__all__ = ["RequestRecord", "SentMail", "Simulator", "running", "running_async"]

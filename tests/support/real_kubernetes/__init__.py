"""A real Kubernetes API server on loopback, set up to answer as AKS does, for the tests that need the true thing.

programs      which programs there are, and running them
certificates  the server's authority, its certificate and the administrator's
webhooks      Entra tokens and Azure RBAC, as AKS puts them behind the API server
roles         Azure's built-in roles as ClusterRoles
etcd          the store: emptied between tests, compacted where a list has to expire
audit         what was asked of the server, and by whom
server        all of it together
nodes         nodes, pods, their status and events: a test plays the kubelet
"""

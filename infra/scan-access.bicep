// The roles that scanning needs, apart from the app: what a security team reviews and deploys by itself.
//   az deployment sub create --location westeurope --parameters infra/samples/scan-access.bicepparam
// Whoever deploys needs to write role definitions and role assignments in every subscription of the list.
targetScope = 'subscription'

metadata name = 'Pullwatch: access for scanning'
metadata description = 'A read-only custom role and built-in roles for one identity, in a list of subscriptions.'

@description('Object id of the identity that scans: the principal id of the app\'s user-assigned managed identity.')
param principalId string

@description('Ids of the subscriptions to scan. The custom role is stored in the first.')
@minLength(1)
param subscriptionIds array

@description('Name of the custom role. Names are unique in a tenant: a second installation needs another.')
param roleName string = loadJsonContent('scan-roles.json').reader.name

@description('Read pods and events of the clusters: Cluster User and RBAC Reader.')
param kubernetesReads bool = true

@description('Ask the registries whether images exist: AcrPull and Container Registry Repository Reader.')
param imageReads bool = true

@description('Ids of the clusters in which canary pods may be made (PULLWATCH_CANARY). None by default.')
param canaryClusterIds array = []

@description('The namespace of canary pods in these clusters (PULLWATCH_CANARY_NAMESPACE).')
param canaryNamespace string = 'pullwatch-canary'

@description('Ids of the clusters that Run Command may be used on (PULLWATCH_ALLOW_RUN_COMMAND). None by default.')
param runCommandClusterIds array = []

@description('Name of the custom role for Run Command, made only where a cluster is named.')
param runCommandRoleName string = loadJsonContent('scan-roles.json').runCommand.name

var scanRoles = loadJsonContent('scan-roles.json')
var clusterRoles = [
  '4abbcc35-e782-43d8-92c5-2d3f1bd2253f' // Azure Kubernetes Service Cluster User Role
  '7f6c6a51-bcf8-42ba-9220-52d62157d7db' // Azure Kubernetes Service RBAC Reader
]
var registryRoles = [
  '7f951dda-4ed3-4680-a7ca-43fe172d538d' // AcrPull
  'b93aa761-3e63-49ed-ac28-beffa264f7ac' // Container Registry Repository Reader
]
var runCommandSubscriptions = union(map(runCommandClusterIds, id => split(id, '/')[2]), [])

module readerRole 'modules/scan-role.bicep' = {
  name: 'pullwatch-reader-role'
  scope: subscription(subscriptionIds[0])
  params: {
    roleName: roleName
    roleDescription: scanRoles.reader.description
    actions: scanRoles.reader.actions
    assignableScopes: map(subscriptionIds, id => '/subscriptions/${id}')
  }
}

module assignments 'modules/scan-assignments.bicep' = [
  for id in subscriptionIds: {
    name: 'pullwatch-scan-${id}'
    scope: subscription(id)
    params: {
      principalId: principalId
      roleGuids: concat(
        [readerRole.outputs.roleGuid],
        kubernetesReads ? clusterRoles : [],
        imageReads ? registryRoles : []
      )
    }
  }
]

module canaries 'modules/cluster-canary.bicep' = [
  for id in canaryClusterIds: {
    name: 'pullwatch-canary-${uniqueString(id)}'
    scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
    params: {
      clusterName: last(split(id, '/'))
      namespaceName: canaryNamespace
      principalId: principalId
    }
  }
]

module runCommandRole 'modules/scan-role.bicep' = if (!empty(runCommandClusterIds)) {
  name: 'pullwatch-run-command-role'
  scope: subscription(empty(runCommandClusterIds) ? subscriptionIds[0] : runCommandSubscriptions[0])
  params: {
    roleName: runCommandRoleName
    roleDescription: scanRoles.runCommand.description
    actions: scanRoles.runCommand.actions
    assignableScopes: map(runCommandSubscriptions, id => '/subscriptions/${id}')
  }
}

module runCommands 'modules/cluster-run-command.bicep' = [
  for id in runCommandClusterIds: {
    name: 'pullwatch-run-command-${uniqueString(id)}'
    scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
    params: {
      clusterName: last(split(id, '/'))
      roleGuid: runCommandRole!.outputs.roleGuid
      principalId: principalId
    }
  }
]

metadata description = 'Pullwatch: what it may scan. A read-only custom role and built-in roles for its identity, in a list of subscriptions.'

targetScope = 'subscription'

//   az deployment sub create --location westeurope --parameters infra/samples/scan-access.bicepparam
// Whoever deploys needs to write role definitions and role assignments in every subscription of the list.

@description('Object ID of the identity that scans: main.bicep\'s output IDENTITY_PRINCIPAL_ID.')
@minLength(36)
@maxLength(36)
param principalId string

@description('IDs of the subscriptions to scan: every deployment repeats the whole list. The custom role is stored in the first, which stays the first, and can be assigned in those of the latest deployment.')
@minLength(1)
param subscriptionIds string[]

@description('Name of the custom role. Names are unique in a tenant: whoever deploys this file for other subscriptions gives another, or the deployment fails with RoleDefinitionWithSameNameExists.')
param roleName string = loadJsonContent('scan-roles.json').reader.name

@description('Read pods and events of the clusters: Cluster User and RBAC Reader.')
param kubernetesReads bool = true

@description('Ask the registries whether images exist: AcrPull and Container Registry Repository Reader.')
param imageReads bool = true

@description('IDs of the clusters in which canary pods may be made (PULLWATCH_CANARY). None by default.')
param canaryClusterIds string[] = []

@description('The namespace of canary pods in these clusters (PULLWATCH_CANARY_NAMESPACE).')
param canaryNamespace string = 'pullwatch-canary'

@description('IDs of the clusters that Run Command may be used on (PULLWATCH_ALLOW_RUN_COMMAND): every deployment repeats the whole list, for which the same holds as for subscriptionIds. None by default.')
param runCommandClusterIds string[] = []

@description('Name of the custom role for Run Command, made only where a cluster is named. Whoever deploys this file for other clusters gives another, as of roleName.')
param runCommandRoleName string = loadJsonContent('scan-roles.json').runCommand.name

var scanRoles = loadJsonContent('scan-roles.json')
var builtInRoles = concat(kubernetesReads ? scanRoles.kubernetesReads : [], imageReads ? scanRoles.imageReads : [])
var runCommandSubscriptions = union(map(runCommandClusterIds, id => split(id, '/')[2]), [])

module readerRole 'modules/scan-role.bicep' = {
  name: 'pullwatch-reader-role'
  scope: subscription(subscriptionIds[0])
  params: {
    roleName: roleName
    roleDescription: scanRoles.reader.description
    actions: objectKeys(scanRoles.reader.actions)
    assignableScopes: map(subscriptionIds, id => '/subscriptions/${id}')
  }
}

module assignments 'modules/scan-assignments.bicep' = [
  for id in subscriptionIds: {
    name: 'pullwatch-scan-${id}'
    scope: subscription(id)
    params: {
      principalId: principalId
      roleGuids: concat([readerRole.outputs.roleGuid], map(builtInRoles, role => role.id))
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
      roleGuid: scanRoles.canary.id
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
    actions: objectKeys(scanRoles.runCommand.actions)
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

// The roles that scanning needs, once for all subscriptions below a management group, those to come included.
//   az deployment mg create --management-group-id GROUP --location westeurope --parameters infra/samples/management-group.bicepparam
// Canary pods and Run Command are never granted here: scan-access.bicep grants them per cluster.
targetScope = 'managementGroup'

metadata name = 'Pullwatch: access for scanning a management group'
metadata description = 'A read-only custom role and built-in roles for one identity, at a management group.'

@description('Object id of the identity that scans: the principal id of the app\'s user-assigned managed identity.')
param principalId string

@description('Name of the custom role. Names are unique in a tenant: a second installation needs another.')
param roleName string = loadJsonContent('scan-roles.json').reader.name

@description('Read pods and events of the clusters: Cluster User and RBAC Reader.')
param kubernetesReads bool = true

@description('Ask the registries whether images exist: AcrPull and Container Registry Repository Reader.')
param imageReads bool = true

var scanRoles = loadJsonContent('scan-roles.json')
// Built-in roles with data actions take up to some hours to have effect when assigned here; custom ones cannot be.
var clusterRoles = [
  '4abbcc35-e782-43d8-92c5-2d3f1bd2253f' // Azure Kubernetes Service Cluster User Role
  '7f6c6a51-bcf8-42ba-9220-52d62157d7db' // Azure Kubernetes Service RBAC Reader
]
var registryRoles = [
  '7f951dda-4ed3-4680-a7ca-43fe172d538d' // AcrPull
  'b93aa761-3e63-49ed-ac28-beffa264f7ac' // Container Registry Repository Reader
]

resource readerRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(managementGroup().id, roleName)
  properties: {
    roleName: roleName
    description: scanRoles.reader.description
    type: 'CustomRole'
    permissions: [
      {
        actions: scanRoles.reader.actions
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
    assignableScopes: [managementGroup().id]
  }
}

resource readerAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(managementGroup().id, principalId, readerRole.name)
  properties: {
    roleDefinitionId: readerRole.id
    principalId: principalId
    // Without it a new identity that Entra has not replicated yet is refused as PrincipalNotFound.
    principalType: 'ServicePrincipal'
  }
}

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for roleGuid in concat(kubernetesReads ? clusterRoles : [], imageReads ? registryRoles : []): {
    name: guid(managementGroup().id, principalId, roleGuid)
    properties: {
      roleDefinitionId: tenantResourceId('Microsoft.Authorization/roleDefinitions', roleGuid)
      principalId: principalId
      principalType: 'ServicePrincipal'
    }
  }
]

metadata description = 'Pullwatch: what it may scan. A read-only custom role and built-in roles for its identity, at a management group.'

targetScope = 'managementGroup'

//   az deployment mg create --management-group-id GROUP --location westeurope --parameters infra/samples/management-group.bicepparam
// Canary pods and Run Command are never granted here: scan-access.bicep grants them per cluster.

@description('Object ID of the identity that scans: main.bicep\'s output IDENTITY_PRINCIPAL_ID.')
@minLength(36)
@maxLength(36)
param principalId string

@description('Name of the custom role. Names are unique in a tenant: whoever deploys this file at another management group, or scan-access.bicep, gives another, or the deployment fails with RoleDefinitionWithSameNameExists.')
param roleName string = loadJsonContent('scan-roles.json').reader.name

@description('Read pods and events of the clusters: Cluster User and RBAC Reader.')
param kubernetesReads bool = true

@description('Ask the registries whether images exist: AcrPull and Container Registry Repository Reader.')
param imageReads bool = true

var scanRoles = loadJsonContent('scan-roles.json')
// Of these, the ones with data actions may take some hours to have effect when they are assigned at a management group.
var builtInRoles = concat(kubernetesReads ? scanRoles.kubernetesReads : [], imageReads ? scanRoles.imageReads : [])

resource readerRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  // By the management group, too: elsewhere the same name fails, and does not replace this role.
  name: guid(managementGroup().id, roleName)
  properties: {
    roleName: roleName
    description: scanRoles.reader.description
    type: 'CustomRole'
    permissions: [
      {
        actions: objectKeys(scanRoles.reader.actions)
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
  for role in builtInRoles: {
    name: guid(managementGroup().id, principalId, role.id)
    properties: {
      roleDefinitionId: tenantResourceId('Microsoft.Authorization/roleDefinitions', role.id)
      principalId: principalId
      principalType: 'ServicePrincipal'
    }
  }
]

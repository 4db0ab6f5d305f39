metadata description = 'What the app may do with its own resources: storage data, and sending telemetry. What it may scan is granted by scan-access.bicep.'

@description('Object ID of the app\'s identity.')
param principalId string

@description('Name of the storage account.')
param storageName string

@description('Name of the Application Insights component.')
param componentName string

var storageRoles = [
  {
    // The host's locks and keys, and the deployment package. The host documents Owner: Contributor is not enough.
    id: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
    name: 'Storage Blob Data Owner'
  }
  {
    // Triggers, sending, and moving a message to its poison queue, which is made on demand.
    id: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
    name: 'Storage Queue Data Contributor'
  }
  {
    // History, and the host's diagnostic events.
    id: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
    name: 'Storage Table Data Contributor'
  }
]
var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb' // Monitoring Metrics Publisher: telemetry without a key

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName
}

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

// principalType is what keeps a new identity from failing with PrincipalNotFound while Microsoft Entra ID replicates.
resource onStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in storageRoles: {
    scope: storage
    name: guid(storage.id, principalId, role.id)
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.id)
      principalId: principalId
      principalType: 'ServicePrincipal'
      description: 'Pullwatch: ${role.name}'
    }
  }
]

resource onComponent 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: component
  name: guid(component.id, principalId, metricsPublisher)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
    principalId: principalId
    principalType: 'ServicePrincipal'
    description: 'Pullwatch: Monitoring Metrics Publisher'
  }
}

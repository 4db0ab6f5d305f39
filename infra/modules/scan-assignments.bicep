metadata description = 'Pullwatch: roles of its identity on a whole subscription.'

targetScope = 'subscription'

@description('Object ID of the identity.')
param principalId string

@description('GUIDs of the role definitions, custom or built in.')
param roleGuids string[]

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for roleGuid in roleGuids: {
    name: guid(subscription().id, principalId, roleGuid)
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleGuid)
      principalId: principalId
      // Without it a new identity that Entra has not replicated yet is refused as PrincipalNotFound.
      principalType: 'ServicePrincipal'
    }
  }
]

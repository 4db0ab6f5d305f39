metadata description = 'Lets the app read single secrets of an existing Key Vault, which uses Azure RBAC. Deployed to the vault\'s resource group.'

@description('Object ID of the app\'s identity.')
param principalId string

@description('Name of the existing vault.')
param vaultName string

@description('Names of the existing secrets: nothing else in the vault can be read.')
#disable-next-line secure-secrets-in-params // the secrets' names, which their URIs show too
param secretNames string[]

var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6' // Key Vault Secrets User

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

resource secrets 'Microsoft.KeyVault/vaults/secrets@2024-11-01' existing = [
  for name in secretNames: {
    parent: vault
    name: name
  }
]

resource onSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in secretNames: {
    scope: secrets[index]
    name: guid(secrets[index].id, principalId, secretsUser)
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
      principalId: principalId
      principalType: 'ServicePrincipal'
      description: 'Pullwatch: Key Vault Secrets User on a secret of its mail or webhook'
    }
  }
]

metadata description = 'Lets the app read one secret of an existing Key Vault, which uses Azure RBAC. Deployed to the vault\'s resource group.'

@description('Object ID of the app\'s identity.')
param principalId string

@description('Name of the existing vault.')
param vaultName string

@description('Name of the existing secret: nothing else in the vault can be read.')
#disable-next-line secure-secrets-in-params // the secret's name, which its URI shows too
param secretName string

var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6' // Key Vault Secrets User

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName

  resource secret 'secrets' existing = {
    name: secretName
  }
}

resource onSecret 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault::secret
  name: guid(vault::secret.id, principalId, secretsUser)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    principalId: principalId
    principalType: 'ServicePrincipal'
    description: 'Pullwatch: Key Vault Secrets User on the SMTP password'
  }
}

metadata description = 'The user-assigned identity that the app signs in with everywhere: storage, monitoring, Key Vault, and what it scans.'

@description('Name of the identity.')
param name string

@description('Region of the identity.')
param location string

@description('Tags of the identity.')
param tags { *: string }

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

@description('Object ID that role assignments name.')
output principalId string = identity.properties.principalId

@description('Client ID that a sign-in names.')
output clientId string = identity.properties.clientId

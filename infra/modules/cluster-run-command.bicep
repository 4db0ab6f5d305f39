metadata description = 'Pullwatch: Run Command on one cluster.'

targetScope = 'resourceGroup'

@description('Name of the AKS cluster, in this resource group.')
param clusterName string

@description('GUID of the custom role that holds the actions of Run Command.')
param roleGuid string

@description('Object ID of the identity.')
param principalId string

resource cluster 'Microsoft.ContainerService/managedClusters@2025-05-01' existing = {
  name: clusterName
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(cluster.id, principalId, roleGuid)
  scope: cluster
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleGuid)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

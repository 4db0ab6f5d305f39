metadata description = 'Pullwatch: canary pulls in one cluster. Write access to one of its namespaces, and nothing beyond it.'

targetScope = 'resourceGroup'

@description('Name of the AKS cluster, in this resource group.')
param clusterName string

@description('The namespace of canary pods (PULLWATCH_CANARY_NAMESPACE). It has to exist.')
param namespaceName string

@description('GUID of the role that may write in a namespace.')
param roleGuid string

@description('Object ID of the identity.')
param principalId string

resource cluster 'Microsoft.ContainerService/managedClusters@2025-05-01' existing = {
  name: clusterName
}

// A Kubernetes namespace is a scope of Azure RBAC but no resource of Azure Resource Manager: it has no type.
#disable-next-line BCP081
resource canaryNamespace 'Microsoft.ContainerService/managedClusters/namespaces@2025-05-01' existing = {
  parent: cluster
  name: namespaceName
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(canaryNamespace.id, principalId, roleGuid)
  scope: canaryNamespace
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleGuid)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

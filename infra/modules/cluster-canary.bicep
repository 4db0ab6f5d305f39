// Canary pulls in one cluster: write access to one of its namespaces, and nothing beyond it.
targetScope = 'resourceGroup'

@description('Name of the AKS cluster, in this resource group.')
param clusterName string

@description('The namespace of canary pods (PULLWATCH_CANARY_NAMESPACE). It has to exist.')
param namespaceName string

@description('Object id of the identity.')
param principalId string

// Azure Kubernetes Service RBAC Writer
var writer = 'a7ffa36f-339b-4b5c-8bdf-e2c188b2c0eb'

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
  name: guid(canaryNamespace.id, principalId, writer)
  scope: canaryNamespace
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', writer)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

using '../scan-access.bicep'

param principalId = '11111111-0000-0000-0000-00000000000a'
param subscriptionIds = [
  '00000000-0000-0000-0000-000000000001'
  '00000000-0000-0000-0000-000000000002'
]
param canaryClusterIds = [
  '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-shop/providers/Microsoft.ContainerService/managedClusters/aks-shop'
]
param runCommandClusterIds = [
  '/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-bank/providers/Microsoft.ContainerService/managedClusters/aks-bank'
]

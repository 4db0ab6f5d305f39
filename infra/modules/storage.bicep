metadata description = 'The storage account: the host\'s locks and keys, the deployment package, the queues between the jobs and the history tables. No shared keys.'

@description('Name of the storage account: 3 to 24 lowercase letters and digits.')
@minLength(3)
@maxLength(24)
param name string

@description('Region of the storage account.')
param location string

@description('Tags of the storage account.')
param tags { *: string }

@description('Redundancy of the data.')
@allowed(['Standard_LRS', 'Standard_ZRS'])
param sku string

@description('Whether the account answers private endpoints only.')
param private bool

@description('Container that the deployment package is stored in.')
param deploymentContainer string

// The names stand in checks/jobs/queues.py and checks/history/table/keys.py. The app would make what is missing itself;
// made here, the platform can scale on the queues from the start. The tables of each month are made by the app.
var queues = ['pullwatch-plan', 'pullwatch-scan', 'pullwatch-close', 'pullwatch-deliver']
var poisonQueues = [for queue in queues: '${queue}-poison']

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: private ? 'Deny' : 'Allow'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: deploymentContainer
  properties: { publicAccess: 'None' }
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = [
  for queue in concat(queues, poisonQueues): {
    parent: queueService
    name: queue
  }
]

resource tables 'Microsoft.Storage/storageAccounts/tableServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource history 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' = {
  parent: tables
  name: 'pullwatch'
}

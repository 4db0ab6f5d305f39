metadata description = 'The function app on Flex Consumption: plan, site, instances, app settings. Inbound is public with access restrictions, or private.'

@description('Name of the function app: unique in the world.')
param name string

@description('Name of the plan. A Flex Consumption plan holds one app.')
param planName string

@description('Region of the app.')
param location string

@description('Tags of the app.')
param tags { *: string }

@description('Name of the user-assigned identity, in this resource group.')
param identityName string

@description('Name of the storage account, in this resource group.')
param storageName string

@description('Container that the deployment package is stored in.')
param deploymentContainer string

@description('Name of the Application Insights component, in this resource group.')
param componentName string

@description('Settings of Pullwatch: app settings by their whole names.')
param environment { *: string }

@description('Whether people sign in to the app, which modules/sign-in.bicep sets up.')
param signsPeopleIn bool

@description('Memory of an instance in MB.')
param instanceMemoryMB int

@description('Instances at most.')
param maximumInstanceCount int

@description('Instances that are always there, by function or group.')
param alwaysReady { name: string, instanceCount: int }[]

@description('Whether instances are spread over availability zones.')
param zoneRedundant bool

@description('Resource ID of the subnet that outbound traffic leaves through; empty: none.')
param subnetId string

@description('Whether requests and deployments come in by private endpoints only.')
param privateInbound bool

@description('Address ranges that requests and deployments may come from; empty: any.')
param allowedAddressRanges string[]

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName
}

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

// Not here, for Flex Consumption refuses or ignores them: FUNCTIONS_WORKER_RUNTIME, WEBSITE_RUN_FROM_PACKAGE and their
// like, and the site's ftpsState and alwaysOn. WEBSITE_TIME_ZONE breaks TLS and metrics there: schedules are in UTC.
var platformSettings = {
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
  APPLICATIONINSIGHTS_CONNECTION_STRING: component.properties.ConnectionString
  AZURE_CLIENT_ID: identity.properties.clientId
  AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
  AzureWebJobsStorage__clientId: identity.properties.clientId
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__queueServiceUri: storage.properties.primaryEndpoints.queue
  AzureWebJobsStorage__tableServiceUri: storage.properties.primaryEndpoints.table
}
// By this name App Service authentication signs the app in with its identity, where people sign in to the app.
var signInSettings = signsPeopleIn ? { OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: identity.properties.clientId } : {}
var appSettings = union(platformSettings, signInSettings, environment)

var allowed = [
  for (range, index) in allowedAddressRanges: {
    name: 'allowed-${index + 1}'
    action: 'Allow'
    priority: 100 + index
    ipAddress: range
  }
]

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: privateInbound ? 'Disabled' : 'Enabled'
    keyVaultReferenceIdentity: identity.id
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    outboundVnetRouting: empty(subnetId) ? null : { applicationTraffic: true }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${deploymentContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReady
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      appSettings: map(items(appSettings), setting => { name: setting.key, value: setting.value })
      ipSecurityRestrictions: allowed
      ipSecurityRestrictionsDefaultAction: empty(allowedAddressRanges) ? 'Allow' : 'Deny'
      scmIpSecurityRestrictionsUseMain: true
    }
  }

  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }
}

@description('Where the function app answers.')
output hostName string = site.properties.defaultHostName

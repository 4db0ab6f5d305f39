metadata description = 'Pullwatch: everything it runs on, in a resource group of its own. What it may scan is granted by scan-access.bicep or scan-access-mg.bicep.'

targetScope = 'subscription'

import { addressesOf, isAddressList, isGuid, isInVault, isNamePart, isNetworkRange, isVaultId, secretNameOf } from 'modules/parameter-checks.bicep'
import { asEnvironment, checkSettings, cloudNames } from 'modules/settings.bicep'

// What has no default: azd asks for it.

@description('Name of this installation, such as prod: it is part of every name. Letters, digits and hyphens, with a letter or digit at both ends.')
@minLength(1)
@maxLength(24)
param environmentName string

@description('Region of the installation. It has to offer Flex Consumption with Python 3.13.')
@minLength(1)
param location string

@description('Who gets the mails: addresses, separated by commas. One of more than 64 characters needs watchdogRecipients.')
@minLength(3)
param mailRecipients string

@description('The sender\'s address. With graph, the mailbox that the app\'s identity may send as.')
@minLength(3)
param mailSender string

@description('How mail leaves: smtp, graph (Microsoft Graph, with the app\'s identity and no password), or webhook: no mail but JSON to webhookUrlSecretUri, which the others can have besides.')
@allowed(['smtp', 'graph', 'webhook'])
param mailTransport string

// Mail by SMTP.

@description('SMTP server; needed with smtp. It is asked on port 587 with STARTTLS, unless the settings SMTP_PORT and SMTP_TLS say otherwise.')
param smtpHost string = ''

@description('SMTP user name; empty: no sign-in.')
param smtpUser string = ''

@description('URI of the existing Key Vault secret that holds the SMTP password, such as https://VAULT.vault.azure.net/secrets/smtp-password. Without a version, a new one is picked up within a day.')
#disable-next-line secure-secrets-in-params // where the secret is, not what it is
param smtpPasswordSecretUri string = ''

@description('URI of the existing Key Vault secret that holds the address that the webhook posts to: that of a Teams or Slack workflow is a secret. Empty: no webhook.')
#disable-next-line secure-secrets-in-params // where the secret is, not what it is
param webhookUrlSecretUri string = ''

@description('URI of the existing Key Vault secret that signs what the webhook posts, of at least 16 characters; empty: no signature.')
#disable-next-line secure-secrets-in-params // where the secret is, not what it is
param webhookSecretUri string = ''

@description('Resource ID of the Key Vault with these secrets, which may be in another subscription. The app\'s identity gets Key Vault Secrets User on each of them and nothing else. Empty: somebody else assigns that role.')
param keyVaultResourceId string = ''

// The dashboard.

@description('Client ID of the app registration that people sign in to for the dashboard (docs/dashboard-sign-in.md); empty: no dashboard. What is taken away here later stays on in Azure, where the dashboard is off then.')
param dashboardClientId string = ''

@description('ID of the tenant that people sign in to the dashboard with; empty: that of the deployment.')
param dashboardTenantId string = ''

// What is checked, and when.

@description('IDs of the subscriptions to check; empty: every one that the app\'s identity can see.')
param subscriptions string[] = []

@description('When a run starts: NCRONTAB with seconds, in UTC.')
param schedule string = '0 */30 * * * *'

@description('Any other setting of Pullwatch, by its name without PULLWATCH_; the README lists them. One that is left out has its default.')
param settings checkSettings = {}

@description('Who is told by Azure Monitor that the app is dead or its mail is stuck: addresses of at most 64 characters, separated by commas. Empty: mailRecipients. Each has to be confirmed.')
param watchdogRecipients string = ''

// Names and tags.

@description('Name of the resource group that is made.')
@maxLength(90)
param resourceGroupName string = 'rg-pullwatch-${environmentName}'

@description('Tags of every resource.')
param tags { *: string } = {}

// Size.

@description('Memory of an instance in MB. 2048 is one core.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Instances at most: with batchSize of host.json, the shards that are scanned at once.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances that are always there, such as { name: \'http\', instanceCount: 1 } or { name: \'function:plan\', instanceCount: 1 }. They are billed while they wait.')
param alwaysReady { name: string, instanceCount: int }[] = []

@description('Whether instances and data are spread over availability zones. Not every region offers it. Azure then keeps at least two always-ready instances for each function that scales by itself and for those with HTTP triggers: 22 instances, billed while they wait.')
param zoneRedundant bool = false

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Gigabytes of logs accepted a day; -1: no limit. Over it the alert rules see nothing until the next day.')
param logDailyCapGb int = -1

@description('Whether a workbook over the log is deployed: what runs came to, what they cost, what failed.')
param workbook bool = true

// Network. Without any of it the app leaves by addresses of Azure that change.

@description('Resource ID of an existing subnet that the app\'s outbound traffic leaves through: delegated to Microsoft.App/environments, a /27 or larger, no underscore in its name. It is used as it is; a NAT gateway or firewall with a static address is its owner\'s.')
param subnetId string = ''

@description('Address space of a virtual network to make for the app, an IPv4 range from /8 to /26 such as 10.20.0.0/24; empty: none. Instead of subnetId.')
param networkAddressPrefix string = ''

@description('Whether the network that is made gets a NAT gateway, and so outbound traffic a static address, for authorized IP ranges of API servers and IP rules of registries.')
param natGateway bool = false

@description('Whether storage answers private endpoints only. An installation that is running gets its network in a deployment before this one: the app has to reach storage when it closes.')
param privateStorage bool = false

@description('Whether requests and deployments reach the app by a private endpoint only.')
param privateInbound bool = false

@description('Address ranges that requests and deployments may come from, such as 203.0.113.0/24; empty: any. Requests need a key in either case, but for /api/health and the dashboard, where people sign in.')
param allowedAddressRanges string[] = []

@description('Resource ID of an existing subnet for private endpoints, in the installation\'s region. Empty: that of the network that is made.')
param privateEndpointSubnetId string = ''

@description('Resource IDs of existing private DNS zones, by sub-resource. One that is not given, or empty, is made, and linked to the app\'s network; one that is given is used as it is. A network that is linked to a zone of that name already needs it given.')
param privateDnsZoneIds privateDnsZones = {}

@sealed()
type privateDnsZones = {
  @description('privatelink.blob')
  blob: string?
  @description('privatelink.queue')
  queue: string?
  @description('privatelink.table')
  table: string?
  @description('privatelink of function apps; used with privateInbound.')
  sites: string?
}

var everyHalfHour = '0 */30 * * * *'

// What contradicts itself fails here, before anything is deployed.
var makesNetwork = !empty(networkAddressPrefix)
var hasNetwork = makesNetwork || !empty(subnetId)
// Without empty parts: an ID that is copied from somewhere may end in a slash.
var vault = filter(split(keyVaultResourceId, '/'), part => !empty(part))
var vaultName = empty(vault) ? '' : vault[length(vault) - 1]
// The secrets that are read.
var secretUris = filter(
  [mailTransport == 'smtp' ? smtpPasswordSecretUri : '', webhookUrlSecretUri, webhookSecretUri],
  uri => !empty(uri)
)
var namesVault = !empty(keyVaultResourceId) && (mailTransport == 'smtp' || !empty(secretUris))
var assignsSecrets = namesVault && isVaultId(vault)
var receivers = empty(watchdogRecipients) ? mailRecipients : watchdogRecipients
var problems = filter(
  [
    !isNamePart(environmentName)
      ? 'environmentName takes letters, digits and hyphens, with a letter or digit at both ends (azd env new).'
      : ''
    !isAddressList(mailRecipients)
      ? 'mailRecipients takes one or more addresses, separated by commas (azd env set MAIL_RECIPIENTS).'
      : ''
    !empty(watchdogRecipients) && !isAddressList(watchdogRecipients)
      ? 'watchdogRecipients takes one or more addresses, separated by commas.'
      : ''
    !empty(filter(addressesOf(receivers), address => length(address) > 64))
      ? 'Azure Monitor takes addresses of at most 64 characters: give such ones as watchdogRecipients.'
      : ''
    mailTransport == 'smtp' && empty(smtpHost) ? 'mailTransport is smtp: give smtpHost (azd env set SMTP_HOST).' : ''
    mailTransport == 'smtp' && !empty(smtpUser) && empty(smtpPasswordSecretUri)
      ? 'smtpUser signs in: give smtpPasswordSecretUri (azd env set SMTP_PASSWORD_SECRET_URI).'
      : ''
    namesVault && empty(secretUris)
      ? 'keyVaultResourceId is for the SMTP password: give smtpPasswordSecretUri (azd env set SMTP_PASSWORD_SECRET_URI).'
      : ''
    mailTransport == 'webhook' && empty(webhookUrlSecretUri)
      ? 'mailTransport is webhook: give webhookUrlSecretUri (azd env set WEBHOOK_URL_SECRET_URI).'
      : ''
    !empty(webhookSecretUri) && empty(webhookUrlSecretUri)
      ? 'webhookSecretUri signs what a webhook posts: give webhookUrlSecretUri (azd env set WEBHOOK_URL_SECRET_URI).'
      : ''
    mailTransport == 'smtp' && !empty(smtpPasswordSecretUri) && empty(secretNameOf(smtpPasswordSecretUri))
      ? 'smtpPasswordSecretUri takes the URI of a secret: https://, the vault\'s host name, /secrets/ and the secret\'s name.'
      : ''
    !empty(webhookUrlSecretUri) && empty(secretNameOf(webhookUrlSecretUri))
      ? 'webhookUrlSecretUri takes the URI of a secret: https://, the vault\'s host name, /secrets/ and the secret\'s name.'
      : ''
    !empty(webhookSecretUri) && empty(secretNameOf(webhookSecretUri))
      ? 'webhookSecretUri takes the URI of a secret: https://, the vault\'s host name, /secrets/ and the secret\'s name.'
      : ''
    namesVault && !isVaultId(vault)
      ? 'keyVaultResourceId takes the resource ID of a Key Vault: /subscriptions/ and more, then /providers/Microsoft.KeyVault/vaults/ and its name.'
      : ''
    assignsSecrets && mailTransport == 'smtp' && !isInVault(smtpPasswordSecretUri, vaultName)
      ? 'smtpPasswordSecretUri is not in the vault that keyVaultResourceId names.'
      : ''
    assignsSecrets && !isInVault(webhookUrlSecretUri, vaultName)
      ? 'webhookUrlSecretUri is not in the vault that keyVaultResourceId names.'
      : ''
    assignsSecrets && !isInVault(webhookSecretUri, vaultName)
      ? 'webhookSecretUri is not in the vault that keyVaultResourceId names.'
      : ''
    !empty(dashboardClientId) && !isGuid(dashboardClientId)
      ? 'dashboardClientId takes the client ID of an app registration, a GUID (azd env set DASHBOARD_CLIENT_ID).'
      : ''
    !empty(dashboardTenantId) && !isGuid(dashboardTenantId) ? 'dashboardTenantId takes the ID of a tenant, a GUID.' : ''
    makesNetwork && !isNetworkRange(networkAddressPrefix)
      ? 'networkAddressPrefix takes an IPv4 range from /8 to /26 by its first address, such as 10.20.0.0/24.'
      : ''
    makesNetwork && !empty(subnetId) ? 'subnetId and networkAddressPrefix exclude each other.' : ''
    natGateway && !makesNetwork ? 'natGateway needs networkAddressPrefix: an existing subnet is not changed.' : ''
    privateStorage && !hasNetwork ? 'privateStorage needs subnetId or networkAddressPrefix.' : ''
    privateInbound && !hasNetwork ? 'privateInbound needs subnetId or networkAddressPrefix.' : ''
    (privateStorage || privateInbound) && !makesNetwork && empty(privateEndpointSubnetId)
      ? 'Private endpoints in an existing network need privateEndpointSubnetId.'
      : ''
  ],
  problem => !empty(problem)
)
var checkedName = empty(problems) ? environmentName : fail(join(problems, ' '))

// Names by the Cloud Adoption Framework's abbreviations. Resource IDs are made from names, not from outputs, so that a
// what-if and a snapshot show them; what has to be there before is in dependsOn.
var allTags = union(tags, { 'azd-env-name': environmentName })
var token = uniqueString(subscription().id, environmentName, location)
var suffix = 'pullwatch-${checkedName}'
var identityName = 'id-${suffix}'
var workspaceName = 'log-${suffix}'
var workspaceId = resourceId(
  subscription().subscriptionId,
  resourceGroupName,
  'Microsoft.OperationalInsights/workspaces',
  workspaceName
)
var componentName = 'appi-${suffix}'
var storageName = 'stpullwatch${token}'
var deploymentContainer = 'app-package'
var networkName = 'vnet-${suffix}'
var siteName = 'func-${suffix}-${token}'

var smtpSettings = mailTransport == 'smtp'
  ? union(
      { PULLWATCH_SMTP_HOST: smtpHost },
      empty(smtpUser) ? {} : { PULLWATCH_SMTP_USER: smtpUser },
      empty(smtpPasswordSecretUri)
        ? {}
        : { PULLWATCH_SMTP_PASSWORD: '@Microsoft.KeyVault(SecretUri=${smtpPasswordSecretUri})' }
    )
  : {}
var webhookSettings = union(
  empty(webhookUrlSecretUri) ? {} : { PULLWATCH_WEBHOOK_URL: '@Microsoft.KeyVault(SecretUri=${webhookUrlSecretUri})' },
  empty(webhookSecretUri) ? {} : { PULLWATCH_WEBHOOK_SECRET: '@Microsoft.KeyVault(SecretUri=${webhookSecretUri})' }
)
// The app's own address, which its settings name before the app is there.
var siteHost = toLower('${siteName}.${replace(siteZones[environment().name], 'privatelink.', '')}')
var hasDashboard = !empty(dashboardClientId)
var dashboardAddress = hasDashboard ? 'https://${siteHost}/api/dashboard' : ''
// Mails link to the dashboard, unless the settings name another page.
var linkSettings = hasDashboard ? { PULLWATCH_DASHBOARD: dashboardAddress } : {}
var signInSettings = hasDashboard ? { PULLWATCH_SIGN_IN: 'entra' } : {}
var ownSettings = {
  PULLWATCH_CLOUD: cloudNames[environment().name]
  PULLWATCH_MAIL_FROM: mailSender
  PULLWATCH_MAIL_TO: mailRecipients
  PULLWATCH_MAIL_TRANSPORTS: mailTransport != 'webhook' && !empty(webhookUrlSecretUri)
    ? '${mailTransport},webhook'
    : mailTransport
  PULLWATCH_SCHEDULE: schedule
  PULLWATCH_SUBSCRIPTIONS: join(subscriptions, ',')
}

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: resourceGroupName
  location: location
  tags: allTags
}

module identity 'modules/identity.bicep' = {
  scope: group
  params: {
    name: identityName
    location: location
    tags: allTags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  params: {
    workspaceName: workspaceName
    componentName: componentName
    location: location
    tags: allTags
    retentionDays: logRetentionDays
    dailyCapGb: logDailyCapGb
  }
}

module workbookOfRuns 'modules/workbook.bicep' = if (workbook) {
  scope: group
  params: {
    name: suffix
    location: location
    tags: allTags
    workspaceId: workspaceId
    appName: siteName
  }
  dependsOn: [monitoring]
}

module watchdog 'modules/watchdog.bicep' = {
  scope: group
  params: {
    name: suffix
    location: location
    tags: allTags
    workspaceId: resourceId(
      subscription().subscriptionId,
      resourceGroupName,
      'Microsoft.OperationalInsights/workspaces',
      workspaceName
    )
    appName: siteName
    recipients: addressesOf(receivers)
    // How far apart the runs of another schedule are, only the app can tell: beyond two days the rule goes by its word.
    scanIntervalMinutes: schedule == everyHalfHour ? 30 : 2880
  }
  dependsOn: [monitoring]
}

module storage 'modules/storage.bicep' = {
  scope: group
  params: {
    name: storageName
    location: location
    tags: allTags
    sku: zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'
    private: privateStorage
    deploymentContainer: deploymentContainer
  }
}

module roleAssignments 'modules/role-assignments.bicep' = {
  scope: group
  params: {
    principalId: identity.outputs.principalId
    storageName: storageName
    componentName: componentName
  }
  dependsOn: [storage, monitoring]
}

module secretAccess 'modules/secret-access.bicep' = if (assignsSecrets) {
  scope: resourceGroup(
    assignsSecrets ? vault[1] : subscription().subscriptionId,
    assignsSecrets ? vault[3] : resourceGroupName
  )
  params: {
    principalId: identity.outputs.principalId
    vaultName: vaultName
    secretNames: map(secretUris, uri => secretNameOf(uri))
  }
}

module network 'modules/network.bicep' = if (makesNetwork) {
  scope: group
  params: {
    name: networkName
    location: location
    tags: allTags
    addressPrefix: networkAddressPrefix
    appSubnetName: appSubnetName
    endpointSubnetName: endpointSubnetName
    natGateway: natGateway
    natGatewayName: 'ng-${suffix}'
    publicAddressName: 'pip-${suffix}'
  }
}

var appSubnetName = 'snet-app'
var endpointSubnetName = 'snet-private-endpoints'
var madeNetworkId = resourceId(
  subscription().subscriptionId,
  resourceGroupName,
  'Microsoft.Network/virtualNetworks',
  networkName
)
var appSubnetId = makesNetwork ? '${madeNetworkId}/subnets/${appSubnetName}' : subnetId
var endpointSubnetId = empty(privateEndpointSubnetId)
  ? '${madeNetworkId}/subnets/${endpointSubnetName}'
  : privateEndpointSubnetId
var networkId = split(appSubnetId, '/subnets/')[0]

// The names of Azure's private DNS zones for function apps, which environment() does not know.
var siteZones = {
  AzureCloud: 'privatelink.azurewebsites.net'
  AzureChinaCloud: 'privatelink.chinacloudsites.cn'
  AzureUSGovernment: 'privatelink.azurewebsites.us'
}
var zoneNames = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  queue: 'privatelink.queue.${environment().suffixes.storage}'
  table: 'privatelink.table.${environment().suffixes.storage}'
  sites: siteZones[environment().name]
}
var storageServices = privateStorage ? ['blob', 'queue', 'table'] : []
var services = concat(storageServices, privateInbound ? ['sites'] : [])
var zoneIds = toObject(
  services,
  service => service,
  service =>
    empty(privateDnsZoneIds[?service])
      ? resourceId(
          subscription().subscriptionId,
          resourceGroupName,
          'Microsoft.Network/privateDnsZones',
          zoneNames[service]
        )
      : privateDnsZoneIds[service]
)

module zones 'modules/private-dns-zone.bicep' = [
  for service in services: if (empty(privateDnsZoneIds[?service])) {
    scope: group
    params: {
      name: zoneNames[service]
      tags: allTags
      networkId: networkId
    }
    dependsOn: [network]
  }
]

module storageEndpoints 'modules/private-endpoint.bicep' = [
  for service in storageServices: {
    scope: group
    params: {
      name: 'pep-${suffix}-${service}'
      location: location
      tags: allTags
      subnetId: endpointSubnetId
      targetId: resourceId(
        subscription().subscriptionId,
        resourceGroupName,
        'Microsoft.Storage/storageAccounts',
        storageName
      )
      groupId: service
      zoneId: zoneIds[service]
    }
    dependsOn: [network, storage, zones]
  }
]

// The app comes last: it starts at once and then needs the container of its package, its roles and the way to storage.
module app 'modules/function-app.bicep' = {
  scope: group
  params: {
    name: siteName
    planName: 'asp-${suffix}'
    location: location
    tags: allTags
    identityName: identityName
    storageName: storageName
    deploymentContainer: deploymentContainer
    componentName: componentName
    environment: union(
      linkSettings,
      asEnvironment(settings),
      smtpSettings,
      webhookSettings,
      signInSettings,
      ownSettings
    )
    signsPeopleIn: hasDashboard
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReady: alwaysReady
    zoneRedundant: zoneRedundant
    subnetId: appSubnetId
    privateInbound: privateInbound
    allowedAddressRanges: allowedAddressRanges
  }
  dependsOn: [identity, monitoring, storage, roleAssignments, secretAccess, network, storageEndpoints]
}

module signIn 'modules/sign-in.bicep' = if (hasDashboard) {
  scope: group
  params: {
    siteName: siteName
    clientId: dashboardClientId
    tenantId: empty(dashboardTenantId) ? tenant().tenantId : dashboardTenantId
  }
  dependsOn: [app]
}

module siteEndpoint 'modules/private-endpoint.bicep' = if (privateInbound) {
  scope: group
  params: {
    name: 'pep-${suffix}-sites'
    location: location
    tags: allTags
    subnetId: endpointSubnetId
    targetId: resourceId(subscription().subscriptionId, resourceGroupName, 'Microsoft.Web/sites', siteName)
    groupId: 'sites'
    zoneId: privateInbound ? zoneIds.sites : ''
  }
  dependsOn: [app, zones]
}

@description('The resource group; azd deploys the code to it.')
output AZURE_RESOURCE_GROUP string = group.name

@description('Name of the function app.')
output FUNCTION_APP_NAME string = siteName

@description('Where the function app answers.')
output FUNCTION_APP_HOST string = app.outputs.hostName

@description('Where people open the dashboard; empty without dashboardClientId.')
output DASHBOARD_URL string = dashboardAddress

@description('The redirect URI that the app registration of the dashboard needs.')
output DASHBOARD_REDIRECT_URI string = 'https://${siteHost}/.auth/login/aad/callback'

@description('Object ID of the app\'s identity, which scan-access.bicep grants roles to.')
output IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId

@description('Client ID of the app\'s identity.')
output IDENTITY_CLIENT_ID string = identity.outputs.clientId

@description('The static address that outbound traffic leaves by; empty without natGateway.')
output STATIC_OUTBOUND_ADDRESS string = makesNetwork ? network!.outputs.staticAddress : ''

@description('Resource ID of the workspace that the alert rules query.')
output LOG_WORKSPACE_ID string = workspaceId

using '../main.bicep'

// Private: a network of its own with a static outbound address, storage and the app behind private endpoints, mail by a
// relay in the network without sign-in. The blob zone is the hub's, the others are made. Deploy the code from inside.
param environmentName = 'prod'
param location = 'westeurope'
param mailRecipients = 'platform-team@contoso.com'
param mailSender = 'pullwatch@contoso.com'
param mailTransport = 'smtp'
param smtpHost = 'relay.contoso.com'
param schedule = '0 0 * * * *'
param networkAddressPrefix = '10.20.0.0/24'
param natGateway = true
param privateStorage = true
param privateInbound = true
param privateDnsZoneIds = {
  blob: '/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net'
}
param alwaysReady = [
  { name: 'function:plan', instanceCount: 1 }
]

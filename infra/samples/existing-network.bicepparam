using '../main.bicep'

// In a landing zone: the app leaves through a subnet that the platform team made and delegated, with the static address of
// the hub's firewall. Mail by Microsoft Graph and a signed webhook, two subscriptions, canary pulls in every run.
param environmentName = 'prod'
param location = 'westeurope'
param mailRecipients = 'platform-team@contoso.com, on-call@contoso.com'
param mailSender = 'pullwatch@contoso.com'
param mailTransport = 'graph'
param webhookUrlSecretUri = 'https://kv-contoso.vault.azure.net/secrets/webhook-url'
param webhookSecretUri = 'https://kv-contoso.vault.azure.net/secrets/webhook-secret'
param keyVaultResourceId = '/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-secrets/providers/Microsoft.KeyVault/vaults/kv-contoso'
param subscriptions = [
  '00000000-0000-0000-0000-000000000003'
  '00000000-0000-0000-0000-000000000004'
]
param subnetId = '/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet-spoke/subnets/snet-pullwatch'
param allowedAddressRanges = ['203.0.113.0/24']
param settings = {
  CANARY: 'scheduled'
  CANARY_NAMESPACE: 'pullwatch'
  FAIL_AFTER: 'path=3,pull=3'
}
param tags = {
  costCenter: '1234'
}

using '../main.bicep'

// The smallest installation: public, no network of its own, mail by SMTP with a password from an existing Key Vault.
param environmentName = 'prod'
param location = 'westeurope'
param mailRecipients = 'platform-team@contoso.com'
param mailSender = 'pullwatch@contoso.com'
param mailTransport = 'smtp'
param smtpHost = 'smtp.contoso.com'
param smtpUser = 'pullwatch@contoso.com'
param smtpPasswordSecretUri = 'https://kv-contoso.vault.azure.net/secrets/smtp-password'
param keyVaultResourceId = '/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-secrets/providers/Microsoft.KeyVault/vaults/kv-contoso'

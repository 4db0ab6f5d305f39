using '../main.bicep'

// With the dashboard: people sign in with Microsoft Entra ID, to an app registration that is made before
// (docs/dashboard-sign-in.md). Mail by Microsoft Graph; its links lead to the dashboard.
param environmentName = 'prod'
param location = 'westeurope'
param mailRecipients = 'platform-team@contoso.com'
param mailSender = 'pullwatch@contoso.com'
param mailTransport = 'graph'
param dashboardClientId = '00000000-0000-0000-0000-0000000000c1'
